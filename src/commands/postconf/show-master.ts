/**
 * Showing master.cf: whole services (-M), their fields (-F), what they set for themselves (-P).
 *
 * @module
 */
import { fatal } from '#commands/getopt.ts'
import { formatArgument, formatCommand, formatJson, formatPair, formatService, type Style } from './layout.ts'
import { PROGRAM } from './options.ts'
import { FIELD_NAMES, type Service } from './service.ts'
import { byBytes, READ_ONLY_NAMES, type ScopedService, type Session } from './session.ts'

/** What to show, and whether values are expanded. */
export type MasterSelection = {
  readonly subject: 'M' | 'F' | 'P'
  /** Patterns `service/type/…`, with `*` for anything; none: everything. */
  readonly patterns: readonly string[]
  readonly expand: boolean
  /** -PP: parameters that the service does not set, too. */
  readonly everyParameter: boolean
}

/** A request, and whether anything matched it. */
type Request = { readonly text: string; readonly parts: readonly string[]; matched: boolean }

const FORMS = {
  M: 'service_name[/type]',
  F: 'service_name[/type[/field]]',
  P: 'service_name[/type[/parameter]]',
} as const

/**
 * The lines of what is selected, in the order of master.cf.
 *
 * @param warn Gets a text for each pattern that matches nothing.
 * @throws {CommandExit} A malformed pattern.
 * @throws {ConfigError} A value that cannot be expanded.
 */
export function* showMaster(
  session: Session, selection: MasterSelection, style: Style, warn: (text: string) => void,
): Generator<string> {
  const requests = readRequests(selection)
  for (const scoped of session.services) {
    const [name = '', type = ''] = scoped.service.fields
    const wanted = requests.filter(({ parts }) => matches(parts[0], name) && matches(parts[1], type))
    if (wanted.length === 0) continue
    if (selection.subject === 'M') yield* showService(session, scoped, wanted, selection.expand, style)
    else if (selection.subject === 'F') yield* showFields(session, scoped, wanted, selection.expand, style)
    else yield* showSettings(session, scoped, wanted, selection, style)
  }
  for (const { text, matched } of requests) {
    if (!matched) warn(`unmatched request: "${text}"`)
  }
}

function readRequests({ subject, patterns }: MasterSelection): Request[] {
  if (patterns.length === 0) return [{ text: '', parts: ['*'], matched: true }]
  const most = subject === 'M' ? 2 : 3
  return patterns.map((text) => {
    const parts = text.split('/')
    if (parts.length > most) fatal(PROGRAM, `-${subject} option requires ${FORMS[subject]}`)
    const field = parts[2]
    if (subject === 'F' && field !== undefined && field !== '*' && !FIELD_NAMES.some((name) => name === field)) {
      fatal(PROGRAM, `invalid service attribute name: "${field}"`)
    }
    return { text, parts, matched: false }
  })
}

function matches(pattern: string | undefined, text: string): boolean {
  return pattern === undefined || pattern === '*' || pattern === text
}

function* showService(
  session: Session, scoped: ScopedService, wanted: readonly Request[], expand: boolean, style: Style,
): Generator<string> {
  for (const request of wanted) request.matched = true
  const service = expand ? expanded(session, scoped) : scoped.service
  yield style.json ? formatJson(labelOf(service), oneLine(service.fields, service)) : formatService(service, style)
}

function* showFields(
  session: Session, scoped: ScopedService, wanted: readonly Request[], expand: boolean, style: Style,
): Generator<string> {
  const service = expand ? expanded(session, scoped) : scoped.service
  for (const [i, field] of FIELD_NAMES.entries()) {
    if (!markMatched(wanted, field)) continue
    const label = `${labelOf(service)}/${field}`
    const text = service.fields[i] ?? ''
    if (field !== 'command' || style.hideValue) yield formatPair(label, text, style)
    else if (style.json) yield formatJson(label, oneLine([text], service))
    else if (style.hideName) yield `${bareCommand(text, service, style)}\n`
    else yield `${formatCommand(`${label} = ${text}`, service.args, style)}\n`
  }
}

/** Up to this length Postfix 3.11 leaves out the blank between a bare command and an argument that is no `-o`; so do we. */
const GLUED_MAX = 4

/** The command without its label. */
function bareCommand(program: string, { args }: Service, style: Style): string {
  const [first, ...rest] = args
  const isApart = first === undefined || first.kind === 'setting' || first.kind === 'bad-setting' || program.length > GLUED_MAX
  if (isApart) return formatCommand(program, args, style)
  return formatCommand(`${program}${formatArgument(first)}`, rest, style)
}

function* showSettings(
  session: Session, scoped: ScopedService, wanted: readonly Request[], selection: MasterSelection, style: Style,
): Generator<string> {
  const { everyParameter, expand } = selection
  const scope = scopeOf(scoped)
  const own = [...scoped.settings.keys()].filter((name) => !READ_ONLY_NAMES.includes(name))
  const names = new Set([...own, ...(everyParameter ? session.postfixNames() : [])])
  for (const name of [...names].toSorted(byBytes)) {
    const value = scope.get(name) ?? session.value(name)
    if (value === undefined || !markMatched(wanted, name)) continue
    const shown = expand ? expandedSetting(session, name, value, scope) : value
    yield formatPair(`${labelOf(scoped.service)}/${name}`, shown, style)
  }
}

/** What a service sets is expanded, also where a daemon would not; of other raw parameters no value can be. */
function expandedSetting(session: Session, name: string, value: string, scope: ReadonlyMap<string, string>): string {
  return scope.has(name) ? session.expandText(value, scope) : session.expand(name, value)
}

function markMatched(requests: readonly Request[], part: string): boolean {
  const matching = requests.filter(({ parts }) => matches(parts[2], part))
  for (const request of matching) request.matched = true
  return matching.length > 0
}

function labelOf({ fields }: Service): string {
  return `${fields[0]}/${fields[1]}`
}

function oneLine(head: readonly string[], { args }: Service): string {
  return [...head, ...args.map(formatArgument)].join(' ')
}

/** What a service's `-o` can refer to before main.cf. */
function scopeOf({ service, settings }: ScopedService): Map<string, string> {
  const [name = '', program = ''] = [service.fields[0], service.fields[7]]
  return new Map([['service_name', name], ...settings, ['process_name', program]])
}

function expanded(session: Session, scoped: ScopedService): Service {
  const scope = scopeOf(scoped)
  const args = scoped.service.args.map((arg) => {
    return arg.kind === 'setting' ? { ...arg, value: session.expandText(arg.value, scope) } : arg
  })
  return { ...scoped.service, args }
}
