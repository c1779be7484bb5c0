/**
 * Tables made of tables: pipemap (the result is the next key) and unionmap (all results).
 *
 * A member that fails makes the whole answer an error. Such a table serves
 * parts of keys when at least one member does.
 *
 * Source: DATABASE_README, pipemap, unionmap.
 */
import { splitOutsideBraces } from '#util/split.ts'
import { isPromise, type MaybePromise } from '#util/maybe.ts'
import { insideBraces } from './braces.ts'
import { ABSENT, failed, found, TableOpenError, type Lookup, type OpenRequest, type Table } from './table.ts'

function openMembers(type: string, { name, spec, open }: OpenRequest): Table[] {
  const bad = new TableOpenError(`bad syntax: "${spec}"; need "${type}:{type:name...}"`)
  const inside = insideBraces(name)
  const specs = inside === undefined ? [] : splitOutsideBraces(inside)
  if (specs.length === 0 || specs.some((member) => !member.includes(':'))) throw bad
  return specs.map((member) => open(member))
}

function compositeTable(spec: string, members: Table[], lookup: Table['lookup']): Table {
  return {
    name: spec,
    pattern: members.every(({ pattern }) => pattern),
    lookup,
    refresh: () => members.forEach((member) => member.refresh?.()),
    close: () => members.forEach((member) => member.close()),
  }
}

function pipe(members: Table[], key: string, from: number): MaybePromise<Lookup> {
  let value = key
  for (let i = from; i < members.length; i++) {
    const result = members[i]?.lookup(value) ?? ABSENT
    if (result instanceof Promise) {
      return result.then((later) => (later.kind === 'found' ? pipe(members, later.value, i + 1) : later))
    }
    if (result.kind !== 'found') return result
    value = result.value
  }
  return found(value)
}

/** Opens `pipemap:{ type:name, type:name }`. */
export function openPipemap(request: OpenRequest): Table {
  const members = openMembers('pipemap', request)
  return compositeTable(request.spec, members, (key) => pipe(members, key, 0))
}

function union(results: readonly Lookup[]): Lookup {
  const values: string[] = []
  for (const result of results) {
    if (result.kind === 'error') return failed(result.reason)
    if (result.kind === 'found') values.push(result.value)
  }
  return values.length === 0 ? ABSENT : found(values.join(','))
}

/** Opens `unionmap:{ type:name, type:name }`. */
export function openUnionmap(request: OpenRequest): Table {
  const members = openMembers('unionmap', request)
  return compositeTable(request.spec, members, (key) => {
    const results = members.map((member) => member.lookup(key))
    const ready = results.filter((result): result is Lookup => !isPromise(result))
    return ready.length === results.length ? union(ready) : Promise.all(results.map(async (result) => result)).then(union)
  })
}
