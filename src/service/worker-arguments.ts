/**
 * The command line that master gives to a worker, the same as Postfix's.
 *
 * `-n name -t type [-c] [-u] [-d] [-l] [-z] [-i] [-S] [-v]… [-D] [-m n] [-s n] [-o name=value]…`
 * and then the words of master.cf that are no options, such as `argv=…` of pipe.
 *
 * @module
 */
import { splitNameValue } from '#config/main-cf.ts'
import type { ServiceType } from '#config/master-cf.ts'

/** A worker's place in the system. */
export type WorkerArguments = {
  /** The first column of master.cf, `$service_name`. */
  readonly name: string
  readonly type: ServiceType
  /** Number of listeners, from descriptor 3 on. */
  readonly listeners: number
  readonly chroot: boolean
  readonly unprivileged: boolean
  readonly overrides: ReadonlyMap<string, string>
  /** How many `-v`. */
  readonly verbose: number
  /** The words after the options. */
  readonly rest: readonly string[]
}

const TYPES: readonly string[] = ['inet', 'unix', 'fifo', 'pass', 'unix-dgram'] satisfies ServiceType[]

function isType(text: string): text is ServiceType {
  return TYPES.includes(text)
}

/** Options with a value; all other letters are flags. */
const WITH_VALUE = 'mnost'
const FLAGS = 'cdDilOSuvVz'

/** Options, as they stand: `[letter, value]`, and the words after them. */
function splitOptions(args: readonly string[]): { options: [string, string][]; rest: string[] } {
  const options: [string, string][] = []
  let i = 0
  for (; i < args.length; i++) {
    const word = args[i] ?? ''
    if (word === '--') return { options, rest: args.slice(i + 1) }
    if (!word.startsWith('-') || word === '-') break
    for (let at = 1; at < word.length; at++) {
      const letter = word.charAt(at)
      if (WITH_VALUE.includes(letter)) {
        const value = at + 1 < word.length ? word.slice(at + 1) : args[++i]
        if (value === undefined) throw new Error(`option requires an argument -- '${letter}'`)
        options.push([letter, value])
        break
      }
      if (!FLAGS.includes(letter)) throw new Error(`invalid option -- '${letter}'`)
      options.push([letter, ''])
    }
  }
  return { options, rest: args.slice(i) }
}

function override(text: string): [string, string] {
  const parsed = splitNameValue(text)
  if ('reason' in parsed) throw new Error(`invalid "-o ${text}" option value: ${parsed.reason}`)
  return [parsed.name, parsed.value]
}

/**
 * Reads the command line of a worker.
 *
 * @param args Without the node program and the script.
 * @throws {Error} When master would not have written it so.
 */
export function parseWorkerArguments(args: readonly string[]): WorkerArguments {
  const { options, rest } = splitOptions(args)
  const value = (letter: string): string | undefined => options.findLast(([each]) => each === letter)?.[1]
  const has = (letter: string): boolean => value(letter) !== undefined
  const name = value('n')
  const type = value('t') ?? ''
  if (name === undefined || !isType(type)) throw new Error('This program is started by master only')
  const listeners = Number(value('s') ?? 1)
  if (!Number.isSafeInteger(listeners) || listeners < 1) throw new Error(`invalid number of sockets: ${value('s')}`)
  return {
    name,
    type,
    listeners,
    chroot: has('c'),
    unprivileged: has('u'),
    overrides: new Map(options.filter(([letter]) => letter === 'o').map(([, text]) => override(text))),
    verbose: options.filter(([letter]) => letter === 'v').length,
    rest,
  }
}
