/**
 * Editing master.cf: whole services (-M), one field (-F), one `-o` (-P). An entry that is edited is
 * written anew in the layout of `postconf -Mf`; all other lines stay.
 *
 * @module
 */
import { fatal } from '#commands/getopt.ts'
import { ConfigError } from '#config/error.ts'
import { splitNameValue } from '#config/main-cf.ts'
import { logicalLines } from '#util/logical-lines.ts'
import { readMasterCf } from '#config/master-cf.ts'
import { checkOperand } from './edit-main.ts'
import { editFile, toFileText, type EditedLine } from './edit-file.ts'
import { formatService } from './layout.ts'
import { PROGRAM, type EditMode } from './options.ts'
import {
  FIELD_NAMES, parseService, readService, withField, withoutSetting, withSetting, type Service,
} from './service.ts'

/** Which part of master.cf is edited. */
export type MasterSubject = 'M' | 'F' | 'P'

/** One edit; `apply` makes the new service of the one found, `undefined` to drop it. */
type Request = {
  readonly text: string
  readonly service: string
  readonly type: string
  readonly apply: (service: Service) => Service | undefined
  /** The service to add where none was found. */
  readonly added: Service | undefined
  matched: boolean
}

type Warn = (text: string) => void

const FOLDED = { fold: true, json: false, hideName: false, hideValue: false }

/**
 * Carries out the edits.
 *
 * @param operands `service/type/…=value` to set, else `service/type/…`.
 * @param warn Gets texts of warnings.
 * @throws {CommandExit} A malformed operand.
 * @throws {ConfigError} The file cannot be edited, or has an entry that cannot be.
 */
export function editMaster(
  file: string, subject: MasterSubject, mode: EditMode, operands: readonly string[], warn: Warn,
): void {
  const requests = operands.map((operand) => readRequest(subject, mode, checkOperand(operand), warn))
  editFile(file, (lines) => {
    const kept = entriesOf(lines).flatMap((entry) => editEntry(entry, file, subject, mode, requests, warn))
    for (const { text, matched, added } of requests) {
      if (!matched && added === undefined && subject !== 'M') warn(`unmatched service_name/type: "${text}"`)
    }
    const added = requests.flatMap((request) => (request.matched || request.added === undefined ? [] : [request.added]))
    return [...kept, ...added.map(layout)]
  })
}

/** The lines of one entry with the comments between them, or lines before the first entry. */
type Entry = { readonly lines: readonly EditedLine[]; readonly first: number }

function entriesOf(lines: readonly EditedLine[]): Entry[] {
  const entries: { lines: EditedLine[]; first: number }[] = [{ lines: [], first: 1 }]
  for (const [i, line] of lines.entries()) {
    if (line.kind === 'start') entries.push({ lines: [line], first: i + 1 })
    else entries.at(-1)?.lines.push(line)
  }
  return entries
}

function editEntry(
  entry: Entry, file: string, subject: MasterSubject, mode: EditMode, requests: readonly Request[], warn: Warn,
): string[] {
  const texts = entry.lines.map(({ text }) => text)
  const start = entry.lines[0]
  if (start?.kind !== 'start') return texts
  const [name = '', type] = start.text.split(/\s+/).filter((word) => word !== '')
  if (type === undefined) {
    throw new ConfigError(`file ${file}: line ${entry.first}: specify service name and type on the same line`)
  }
  const wanted = requests.filter((request) => matches(request.service, name) && matches(request.type, type))
  if (wanted.length === 0) return texts
  // A pattern that matches many services makes one of them.
  const again = subject === 'M' && mode === 'e' && wanted.every(({ matched }) => matched)
  for (const request of wanted) request.matched = true
  if (again) return commentsOf(entry.lines)
  return rewrite(entry, readEntry(entry, file, subject, mode, warn), subject, mode, wanted)
}

function rewrite(
  { lines }: Entry, service: Service | undefined, subject: MasterSubject, mode: EditMode, requests: readonly Request[],
): string[] {
  if (mode === '#') return lines.map(({ text, kind }) => (kind === 'other' ? text : `#${text}`))
  const others = commentsOf(lines)
  if (subject === 'M' && mode === 'X') return others
  const edited = requests.reduce((current, { apply }) => (current === undefined ? undefined : apply(current)), service)
  const entry = edited === undefined ? [] : [layout(edited)]
  // A whole new service stands where the old one began. One that was edited comes after the comments that
  // follow it, as Postfix has it: it is written when the next one starts.
  return subject === 'M' ? [...entry, ...others] : [...others, ...entry]
}

function commentsOf(lines: readonly EditedLine[]): string[] {
  return lines.filter(({ kind }) => kind === 'other').map(({ text }) => text)
}

function readEntry(
  entry: Entry, file: string, subject: MasterSubject, mode: EditMode, warn: Warn,
): Service | undefined {
  const [logical] = logicalLines(entry.lines.map(({ text }) => text).join('\n'))
  const [line] = readMasterCf(logical?.text ?? '')
  if (line === undefined) throw new ConfigError(`file ${file}: line ${entry.first}: bad field count`)
  if (subject === 'M') return mode === 'e' ? { fields: line.fields, args: [], line: entry.first } : undefined
  return readService({ ...line, line: entry.first }, file, warn)
}

function layout(service: Service): string {
  return formatService(service, FOLDED).trimEnd()
}

function matches(pattern: string, text: string): boolean {
  return pattern === '*' || pattern === text
}

function readRequest(subject: MasterSubject, mode: EditMode, operand: string, warn: Warn): Request {
  const { target, value } = mode === 'e' ? splitRequest(operand) : { target: operand.trim(), value: '' }
  if (mode !== 'e' && subject === 'M' && target.includes('=')) fatal(PROGRAM, '-X or -# requires names without value')
  const [service = '', type, name] = target.split('/').map(toFileText)
  const parts = target.split('/').length
  const common = { text: operand, service, type: type ?? '', matched: false, added: undefined }
  if (subject === 'M') {
    if (parts !== 2) fatal(PROGRAM, '-Me, -MX or -M# requires service_name/type')
    if (mode !== 'e') return { ...common, apply: () => undefined }
    const added = parseService(toFileText(value), toFileText(operand), warn)
    return { ...common, apply: () => added, added }
  }
  if (subject === 'F') return { ...common, apply: fieldEdit(parts, name, toFileText(value), warn) }
  return { ...common, apply: settingEdit(parts, name, mode, toFileText(value)) }
}

function splitRequest(operand: string): { target: string; value: string } {
  const pair = splitNameValue(operand)
  if ('reason' in pair) fatal(PROGRAM, `${pair.reason}: "${operand}"`)
  return { target: pair.name, value: pair.value }
}

function fieldEdit(parts: number, name: string | undefined, value: string, warn: Warn): Request['apply'] {
  if (parts !== 3) fatal(PROGRAM, '-Fe or -FX requires service_name/type/field_name')
  if (name === '*') fatal(PROGRAM, '-Fe does not accept wild-card field name')
  const index = FIELD_NAMES.findIndex((field) => field === name)
  if (index < 0) fatal(PROGRAM, `invalid service attribute name: "${name}"`)
  if (name !== 'command' && /\s/.test(value)) fatal(PROGRAM, '-Fe does not accept whitespace in non-command field')
  return (service) => withField(service, index, value, warn)
}

function settingEdit(parts: number, name: string | undefined, mode: EditMode, value: string): Request['apply'] {
  if (parts !== 3 || name === undefined) fatal(PROGRAM, '-Pe or -PX requires service_name/type/parameter')
  if (name === '*') fatal(PROGRAM, '-Pe does not accept wild-card parameter name')
  if (/\s/.test(value)) fatal(PROGRAM, '-Pe does not accept whitespace in parameter value')
  return (service) => (mode === 'X' ? withoutSetting(service, name) : withSetting(service, name, value))
}
