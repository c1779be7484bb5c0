/**
 * A service of master.cf as postconf shows and edits it: fields as typed, options in one form.
 *
 * `-ovalue` becomes `-o value`, `{ a = b }` becomes `a=b`, and braces come back only around
 * white space, so that the same service always prints the same.
 *
 * @module
 */
import { splitOutsideBraces, stripBraces } from '#util/split.ts'
import { ConfigError } from '#config/error.ts'
import { splitNameValue } from '#config/main-cf.ts'
import type { MasterLine } from '#config/master-cf.ts'

/** Names of the eight fields, as `postconf -F` calls them; the last one holds the arguments too. */
export const FIELD_NAMES = [
  'service', 'type', 'private', 'unprivileged', 'chroot', 'wakeup', 'process_limit', 'command',
] as const

/** One argument; `option` says that it starts with a dash and stands before the first operand. */
export type ServiceArgument =
  | { readonly kind: 'setting'; readonly name: string; readonly value: string }
  | { readonly kind: 'bad-setting'; readonly text: string | undefined }
  | { readonly kind: 'option'; readonly text: string }
  | { readonly kind: 'operand'; readonly text: string }

/** A service; `fields` has eight entries. */
export type Service = {
  readonly fields: readonly string[]
  readonly args: readonly ServiceArgument[]
  readonly line: number
}

const TYPES: readonly string[] = ['inet', 'unix', 'fifo', 'pass', 'unix-dgram']
const BLANKS = ' \t\r\n\v\f'

/**
 * Checks the fields of a line and brings its options into one form.
 *
 * @param warn Gets the text of a warning about braces.
 * @throws {ConfigError} Too few fields, or a field that cannot be.
 */
export function readService({ fields, args, line }: MasterLine, file: string, warn: (text: string) => void): Service {
  if (fields.length < FIELD_NAMES.length) throw new ConfigError(`file ${file}: line ${line}: bad field count`)
  const text = [...fields, ...args].join(' ')
  FIELD_NAMES.forEach((name, i) => checkField(name, fields[i] ?? '', text))
  return { fields, args: readArguments(args, warn), line }
}

/** Reads a service from one line of text, as `postconf -Me` takes it. @throws {ConfigError} */
export function parseService(text: string, request: string, warn: (text: string) => void): Service {
  const words = splitOutsideBraces(text, BLANKS)
  const fields = words.slice(0, FIELD_NAMES.length)
  if (fields.length < FIELD_NAMES.length) throw new ConfigError(`bad field count: "${request}"`)
  FIELD_NAMES.forEach((name, i) => checkField(name, fields[i] ?? '', text))
  return { fields, args: readArguments(words.slice(FIELD_NAMES.length), warn), line: 0 }
}

/** The service with another text in one field. @throws {ConfigError} */
export function withField(service: Service, index: number, text: string, warn: (text: string) => void): Service {
  const name = FIELD_NAMES[index] ?? 'command'
  if (name === 'command') {
    const words = splitOutsideBraces(text, BLANKS)
    if (words[0] === undefined) throw new ConfigError(`invalid command field "${text}" in "${text}"`)
    return { ...service, fields: service.fields.with(index, words[0]), args: readArguments(words.slice(1), warn) }
  }
  checkField(name, text, text)
  return { ...service, fields: service.fields.with(index, text) }
}

/** The service with `-o name=value`: in place of the one it has, else after its other options. */
export function withSetting(service: Service, name: string, value: string): Service {
  const isSetting = (arg: ServiceArgument) => arg.kind === 'setting' && arg.name === name
  const setting: ServiceArgument = { kind: 'setting', name, value }
  const known = service.args.findLastIndex(isSetting)
  if (known >= 0) return { ...service, args: service.args.with(known, setting) }
  const operand = service.args.findIndex(({ kind }) => kind === 'operand')
  return { ...service, args: service.args.toSpliced(operand < 0 ? service.args.length : operand, 0, setting) }
}

/** The service without any `-o name=…`. */
export function withoutSetting(service: Service, name: string): Service {
  return { ...service, args: service.args.filter((arg) => arg.kind !== 'setting' || arg.name !== name) }
}

/** The `-o` of a service by name; the last one of a name counts. */
export function settingsOf(service: Service): Map<string, string> {
  return new Map(service.args.flatMap((arg) => (arg.kind === 'setting' ? [[arg.name, arg.value] as const] : [])))
}

function checkField(name: string, field: string, line: string): void {
  if (!isPossible(name, field)) throw new ConfigError(`invalid ${name} field "${field}" in "${line}"`)
}

function isPossible(name: string, field: string): boolean {
  switch (name) {
    case 'type':
      return TYPES.includes(field)
    case 'private':
    case 'unprivileged':
    case 'chroot':
      return /^[-yn]$/.test(field)
    case 'wakeup':
      return field === '-' || /^\d+\??$/.test(field)
    case 'process_limit':
      return field === '-' || /^\d+$/.test(field)
    default:
      return true
  }
}

function readArguments(words: readonly string[], warn: (text: string) => void): ServiceArgument[] {
  const args: ServiceArgument[] = []
  const rest = words.flatMap((word) => splitCombined(word))
  while (rest[0]?.startsWith('-') === true && rest[0] !== '--') {
    const word = rest.shift() ?? ''
    if (!word.startsWith('-o')) args.push({ kind: 'option', text: word })
    else args.push(readSetting(word === '-o' ? rest.shift() : word.slice(2), warn))
  }
  for (const word of rest) args.push({ kind: 'operand', text: bare(word, warn) })
  return args
}

/** `-vo` stands for `-v -o`. */
function splitCombined(word: string): string[] {
  const [, flags, rest] = /^-([A-Za-np-z]+)(o.*)$/s.exec(word) ?? []
  return flags === undefined || rest === undefined ? [word] : [`-${flags}`, `-${rest}`]
}

function readSetting(word: string | undefined, warn: (text: string) => void): ServiceArgument {
  if (word === undefined) return { kind: 'bad-setting', text: undefined }
  const text = bare(word, warn)
  const pair = splitNameValue(text)
  return 'name' in pair ? { kind: 'setting', ...pair } : { kind: 'bad-setting', text }
}

/** A word without its braces. */
function bare(word: string, warn: (text: string) => void): string {
  if (!word.startsWith('{')) return word
  const stripped = stripBraces(word)
  if (stripped.kind === 'ok') return stripped.text
  warn(`master.cf: ${stripped.reason}`)
  return word.slice(1).replace(/\}[^}]*$/, '').trim()
}
