/**
 * Tables without a file of their own: static, inline, environ, internal, fail, randmap.
 *
 * Source: DATABASE_README; postconf(1), -m.
 */
import { log } from '#system/log.ts'
import { splitAtChars, splitOutsideBraces, stripBraces } from '#util/split.ts'
import { insideBraces } from './braces.ts'
import { readFileContent } from './file-content.ts'
import { entryFolder, keyFolder } from './fold.ts'
import { ABSENT, failed, found, TableOpenError, type Entries, type Lookup, type OpenRequest, type Table } from './table.ts'

function constantTable(spec: string, pattern: boolean, lookup: (key: string) => Lookup): Table {
  return { name: spec, pattern, lookup, close() {} }
}

/** Opens `static:value` or `static:{ value }`: every key has this value. */
export function openStatic({ name, spec, options }: OpenRequest): Table {
  let value = name
  if (name.startsWith('{')) {
    const stripped = stripBraces(name)
    if (stripped.kind === 'error') throw new TableOpenError(`bad static:name syntax: ${stripped.reason}`)
    value = stripped.text
  }
  const answer = found(options.fileContent === true ? readFileContent(value) : value)
  return constantTable(spec, false, () => answer)
}

/** A name has no white space within, but in quotes, which belong to it; it may even be empty. */
const PAIR_REGEXP = /^\s*((?:"(?:\\[^]|[^"\\])*"|\\[^]|[^\s="\\])*)\s*([="]?)([^]*)$/

/** One `name=value` of an inline table, or why it is malformed. */
function parsePair(item: string): { key: string; value: string } | { reason: string } {
  let text = item
  if (item.startsWith('{')) {
    const stripped = stripBraces(item)
    if (stripped.kind === 'error') return { reason: stripped.reason }
    text = stripped.text
  }
  const [, key = '', equals = '', value = ''] = PAIR_REGEXP.exec(text) ?? []
  if (equals === '"') return { reason: `unbalanced '"'` }
  return equals === '' ? { reason: "missing '=' after attribute name" } : { key, value: value.trim() }
}

/** Opens `inline:{ key=value, { key = value with blanks } }`. The last of equal keys counts. */
export function openInline({ name, spec, options }: OpenRequest): Table {
  const need = `"${spec}"; need "inline:{name=value...}"`
  const inside = insideBraces(name)
  if (inside === undefined) throw new TableOpenError(`bad syntax: ${need}`)
  const fold = keyFolder(options)
  const entryFold = entryFolder(options)
  const entries = new Map<string, string>()
  for (const item of splitOutsideBraces(inside)) {
    const pair = parsePair(item)
    if ('reason' in pair) throw new TableOpenError(`${pair.reason}: ${need}`)
    entries.set(entryFold(pair.key), options.fileContent === true ? readFileContent(pair.value) : pair.value)
  }
  const lookup = (key: string): Lookup => {
    const value = entries.get(fold(key))
    return value === undefined ? ABSENT : found(value)
  }
  return { ...constantTable(spec, false, lookup), entries: () => entries }
}

/** Opens `environ:anything`: the environment of this process. */
export function openEnviron({ spec, options }: OpenRequest): Table {
  const fold = keyFolder(options)
  return constantTable(spec, false, (key) => {
    const value = process.env[fold(key)]
    return value === undefined ? ABSENT : found(value)
  })
}

/** Opens `internal:anything`: empty here, since nothing in this process writes to it by this name. */
export function openInternal({ spec }: OpenRequest): Table {
  return { ...constantTable(spec, false, () => ABSENT), entries: () => [] }
}

/** Opens `fail:anything`: every lookup is an error, to see what the caller makes of it. */
export function openFail({ spec }: OpenRequest): Table {
  return constantTable(spec, true, () => failed('Application error'))
}

/** Opens `randmap:{ a, b, b }`: one of the values, at random, for every key. */
export function openRandmap({ name, spec }: OpenRequest): Table {
  const inside = insideBraces(name)
  const values = inside === undefined ? [] : splitAtChars(inside)
  if (values.length === 0) throw new TableOpenError(`bad syntax: "${spec}"; need "randmap:{value...}"`)
  return constantTable(spec, true, () => found(values[Math.floor(Math.random() * values.length)] ?? ''))
}

/** Opens `debug:type:name`: like `type:name`, with a log line for each lookup. */
export function openDebug({ name, spec, open }: OpenRequest): Table {
  if (!name.includes(':')) {
    throw new TableOpenError(`open dictionary: expecting "type:name" form instead of "${name}"`)
  }
  const inner = open(name)
  const report = (key: string, result: Lookup): Lookup => {
    const said = { found: result.kind === 'found' ? result.value : '', absent: 'not_found', error: 'error' }
    log.info(`${name} lookup: "${key}" = "${said[result.kind]}"`)
    return result
  }
  return {
    name: spec,
    pattern: inner.pattern,
    lookup(key) {
      const result = inner.lookup(key)
      return result instanceof Promise ? result.then((later) => report(key, later)) : report(key, result)
    },
    ...(inner.entries === undefined ? {} : { entries: () => reportEntries(name, inner.entries?.() ?? []) }),
    refresh: () => inner.refresh?.(),
    close: () => inner.close(),
  }
}

async function* reportEntries(name: string, entries: Entries): AsyncGenerator<readonly [string, string]> {
  for await (const [key, value] of entries) {
    log.info(`${name} sequence: "${key}" = "${value}"`)
    yield [key, value]
  }
  log.info(`${name} sequence: found EOF`)
}
