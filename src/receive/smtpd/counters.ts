/**
 * Counts the commands of a session, for the line that ends it in the log.
 *
 * Source: Postfix's `disconnect from` line: `ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4`.
 */

/** Names in the order of the log line. */
export const COUNTED_COMMANDS = [
  'helo', 'ehlo', 'xclient', 'xforward', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'bdat', 'rset', 'noop', 'vrfy',
  'etrn', 'quit', 'help', 'unknown',
] as const

export type CountedCommand = (typeof COUNTED_COMMANDS)[number]

/** Commands of one session, all and successful. */
export class CommandCounters {
  /** Per command: all, then successful. */
  readonly #counts = new Uint32Array(2 * COUNTED_COMMANDS.length)

  /** A command has come. */
  started(command: number): void {
    this.#counts[2 * command] = (this.#counts[2 * command] ?? 0) + 1
  }

  /** It has succeeded. */
  succeeded(command: number): void {
    this.#counts[2 * command + 1] = (this.#counts[2 * command + 1] ?? 0) + 1
  }

  /** `ehlo=1 rcpt=0/1 commands=1/2`: only what was used, and the sum. */
  summary(): string {
    const words: string[] = []
    let total = 0
    let successful = 0
    COUNTED_COMMANDS.forEach((name, i) => {
      const all = this.#counts[2 * i] ?? 0
      const ok = this.#counts[2 * i + 1] ?? 0
      total += all
      successful += ok
      if (all > 0) words.push(`${name}=${share(ok, all)}`)
    })
    words.push(total === 0 ? 'commands=0/0' : `commands=${share(successful, total)}`)
    return words.join(' ')
  }
}

/** Whether `name`, in lower case, has a counter. */
export function isCounted(name: string): name is CountedCommand {
  return COUNTED_COMMANDS.some((counted) => counted === name)
}

/** Position of a command in the counters. */
export function counterOf(command: CountedCommand): number {
  return COUNTED_COMMANDS.indexOf(command)
}

function share(successful: number, all: number): string {
  return successful === all ? String(all) : `${successful}/${all}`
}
