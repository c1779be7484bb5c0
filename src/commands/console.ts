/**
 * Standard output and standard error of a command, as tests can replace them.
 *
 * @module
 */

/** Where a command writes. */
export type Console = {
  /** Standard output, as it is. */
  out(text: string | Uint8Array): void
  /** Standard error, one line. */
  err(line: string): void
}

/** The console of this process. Both streams keep their order on a terminal: writes are synchronous there. */
export const processConsole: Console = {
  out: (text) => { process.stdout.write(text) },
  err: (line) => { process.stderr.write(`${line}\n`) },
}
