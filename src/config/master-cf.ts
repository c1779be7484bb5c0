/**
 * The text of master.cf: one service per logical line.
 *
 *     name  type  private  unprivileged  chroot  wakeup  max_proc  command args
 *
 * readMasterCf() keeps the fields as typed, for the tools that show and edit them;
 * parseMasterCf() gives them their values, for the supervisor.
 *
 * Source: master(5); error texts of Postfix 3.11's master(8).
 *
 * @module
 */
import { isIP } from 'node:net'
import { hostnameProblem } from '#util/hostname.ts'
import { logicalLines, spaceWarning, startsWithSpace } from '#util/logical-lines.ts'
import { splitAtChars, splitOutsideBraces, stripBraces } from '#util/split.ts'
import { ConfigError } from './error.ts'
import { splitNameValue } from './main-cf.ts'

/** How clients reach a service. */
export type ServiceType = 'inet' | 'unix' | 'fifo' | 'pass' | 'unix-dgram'

/** One service, ready for use. */
export type ServiceEntry = {
  /** A socket's name, or for inet `port`, `host:port` or `[address]:port`. */
  readonly name: string
  readonly type: ServiceType
  /** Whether the socket is in `private/` rather than in `public/`. */
  readonly private: boolean
  readonly unprivileged: boolean
  readonly chroot: boolean
  /** Seconds between two wake-up triggers; 0: never. */
  readonly wakeup: number
  /** Wake up only once the service has had a client. */
  readonly wakeupOnlyIfUsed: boolean
  /** Most clients at once; 0: no limit. */
  readonly processLimit: number
  readonly command: string
  /** Arguments without their braces, `-o` and `-v` included. */
  readonly args: readonly string[]
  /** The `-o name=value` of the arguments. One without `=` is left to the program, which refuses to start. */
  readonly overrides: ReadonlyMap<string, string>
  /** How often `-v` is given. */
  readonly verbose: number
  /** First line of the entry, from 1. */
  readonly line: number
}

/** The eight fields of a service as typed, and its arguments with their braces. */
export type MasterLine = { readonly fields: readonly string[]; readonly args: readonly string[]; readonly line: number }

/** What `-` stands for where main.cf decides. */
export type MasterDefaults = { readonly chroot: boolean; readonly processLimit: number }

/** Values of MasterDefaults at the current compatibility level. */
export const MASTER_DEFAULTS = { chroot: false, processLimit: 100 } as const satisfies MasterDefaults

/** Names of the fields before the arguments, as error texts call them. */
const FIELD_NAMES = [
  'service name', 'transport type', 'private', 'unprivileged', 'chroot', 'wakeup_time', 'max_proc', 'command',
] as const

const BLANKS = ' \t\r\n\v\f'

/**
 * Splits master.cf into fields, without a look at what they say.
 *
 * @param warn Gets the text of a warning for each line that is skipped, as it starts with white space.
 */
export function readMasterCf(text: string, file = 'master.cf', warn: (text: string) => void = () => {}): MasterLine[] {
  const lines: MasterLine[] = []
  for (const { text: line, first } of logicalLines(text)) {
    if (startsWithSpace(line)) {
      warn(spaceWarning(file, line))
      continue
    }
    const words = splitOutsideBraces(line, BLANKS)
    lines.push({ fields: words.slice(0, 8), args: words.slice(8), line: first })
  }
  return lines
}

/**
 * Reads the text of master.cf.
 *
 * @param file Path for messages.
 * @param defaults What `-` stands for in the chroot and max_proc columns.
 * @param warn Gets the text of a warning for each line that is skipped.
 * @throws {ConfigError} An entry that master(8) refuses; the message names file and line.
 */
export function parseMasterCf(
  text: string, file: string, defaults: MasterDefaults = MASTER_DEFAULTS, warn: (text: string) => void = () => {},
): ServiceEntry[] {
  return readMasterCf(text, file, warn).map((line) => {
    try {
      return parseEntry(line, defaults)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      throw new ConfigError(`${file}: line ${line.line}: ${error.message}`)
    }
  })
}

function parseEntry(typed: MasterLine, defaults: MasterDefaults): ServiceEntry {
  const { fields, args, line } = withPlainFields(typed)
  const field = (index: number) => fieldText(fields, index)
  const name = required(field, 0)
  const type = serviceType(required(field, 1))
  if (type === 'inet') splitInetName(name)
  const isPrivate = flag(field, 2, true)
  if (type === 'inet' && isPrivate) throw new ConfigError('inet service cannot be private')
  const unprivileged = flag(field, 3, true)
  const chroot = flag(field, 4, defaults.chroot)
  const wakeup = count(field, 5, 0)
  const processLimit = count(field, 6, defaults.processLimit)
  const command = required(field, 7)
  const words = args.map(withoutBraces)
  return {
    name, type, private: isPrivate, unprivileged, chroot, wakeup, wakeupOnlyIfUsed: field(5).endsWith('?'),
    processLimit, command, args: words, ...serviceOptions(words), line,
  }
}

/** Braces hold together arguments only: in the columns before them they are letters like others. */
function withPlainFields({ fields, args, line }: MasterLine): MasterLine {
  const words = fields.flatMap((field) => splitAtChars(field, BLANKS))
  return { fields: words.slice(0, FIELD_NAMES.length), args: [...words.slice(FIELD_NAMES.length), ...args], line }
}

type FieldReader = (index: number) => string

function fieldText(fields: readonly string[], index: number): string {
  const text = fields[index]
  if (text === undefined) throw new ConfigError(`missing "${FIELD_NAMES[index]}" field`)
  return text
}

function required(field: FieldReader, index: number): string {
  const text = field(index)
  if (text === '-') throw new ConfigError(`field "${FIELD_NAMES[index]}" has no default value`)
  return text
}

function flag(field: FieldReader, index: number, initial: boolean): boolean {
  const text = field(index)
  if (text === '-') return initial
  if (text !== 'y' && text !== 'n') throw badValue(index, text)
  return text === 'y'
}

/** The number a field starts with: master(8) does not look at what follows the digits. */
function count(field: FieldReader, index: number, initial: number): number {
  const text = field(index)
  if (text === '-') return initial
  const digits = /^\d+/.exec(text)?.[0]
  if (digits === undefined) throw badValue(index, text)
  return Number(digits)
}

function badValue(index: number, text: string): ConfigError {
  return new ConfigError(`field "${FIELD_NAMES[index]}": bad value: "${text}"`)
}

function serviceType(text: string): ServiceType {
  switch (text) {
    case 'inet':
    case 'unix':
    case 'fifo':
    case 'pass':
    case 'unix-dgram':
      return text
    default:
      throw new ConfigError(`bad transport type: ${text}`)
  }
}

/** The parts of an inet service's name. No `host`: the service has those of inet_interfaces. */
export type InetName = { readonly host: string; readonly port: string }

/**
 * Splits `port`, `host:port` or `[address]:port`. Brackets do not stay; the port is a number, maybe too high, or a name.
 *
 * @throws {ConfigError} It is none of these.
 */
export function splitInetName(name: string): InetName {
  const { host, port } = name.startsWith('[') ? splitBracketed(name) : splitAtLastColon(name)
  if (port === '') throw new ConfigError(`missing service information in "${name}"`)
  const anywhere = host === '' && !name.startsWith('[')
  if (!anywhere && isIP(host) === 0 && hostnameProblem(host) !== undefined) {
    throw new ConfigError(`valid hostname or network address required in "${name}"`)
  }
  if (/^\d.*\D/.test(port)) throw new ConfigError(`garbage after numerical service in "${name}"`)
  return { host, port }
}

function splitBracketed(name: string): InetName {
  const end = name.indexOf(']')
  if (end < 0) throw new ConfigError(`missing "]" in "${name}"`)
  const rest = name.slice(end + 1)
  if (rest !== '' && !rest.startsWith(':')) throw new ConfigError(`garbage after "]" in "${name}"`)
  return { host: name.slice(1, end), port: rest.slice(1) }
}

/** What has no colon is a port. */
function splitAtLastColon(name: string): InetName {
  const colon = name.lastIndexOf(':')
  return { host: name.slice(0, Math.max(colon, 0)), port: name.slice(colon + 1) }
}

function withoutBraces(word: string): string {
  if (!word.startsWith('{')) return word
  const stripped = stripBraces(word)
  if (stripped.kind === 'error') throw new ConfigError(stripped.reason)
  return stripped.text
}

/** What the options of every service mean; they end at the first word without a dash, as for getopt. */
function serviceOptions(args: readonly string[]): Pick<ServiceEntry, 'overrides' | 'verbose'> {
  const overrides = new Map<string, string>()
  let verbose = 0
  for (let i = 0; i < args.length; i++) {
    const word = args[i] ?? ''
    if (!word.startsWith('-') || word === '--') break
    if (/^-v+$/.test(word)) verbose += word.length - 1
    if (!word.startsWith('-o')) continue
    const pair = splitNameValue(word === '-o' ? (args[++i] ?? '') : word.slice(2))
    if ('name' in pair) overrides.set(pair.name, pair.value)
  }
  return { overrides, verbose }
}
