/**
 * The items of match lists, as functions: does this value match?
 *
 * Values come folded. A list about hosts passes two values, the name and the
 * address; all others pass one.
 *
 * Source: postconf(5), mynetworks, relay_domains, parent_domain_matches_subdomains.
 */
import type { MaybePromise } from '#util/maybe.ts'
import { inRange, parseAddress, parseRange } from './address-range.ts'
import type { Lookup, Table } from './table.ts'

/** Matches, does not, or cannot be told. */
export type MatchResult = boolean | { readonly error: string }

/** One item. A value may be missing: no name, or no address. */
export type MatchItem = (values: readonly (string | undefined)[]) => MaybePromise<MatchResult>

/** Matches the same text. */
export function stringItem(pattern: string): MatchItem {
  return ([value]) => value === pattern
}

/** Matches a name; its sub-domains with `parent`, or those alone when it starts with a dot. */
export function domainItem(pattern: string, parent: boolean): MatchItem {
  const suffix = parent ? `.${pattern}` : pattern
  const hasSuffix = parent || pattern.startsWith('.')
  return ([value]) => {
    if (value === undefined) return false
    if (value === pattern) return true
    return hasSuffix && value.length > suffix.length && value.endsWith(suffix)
  }
}

/** Matches an address, `[address]` or `network/length`; `at` tells which value is the address. */
export function addressItem(pattern: string, at: 0 | 1): MatchItem {
  const looksLikeRange = /^[\d.]+\/|^\[/.test(pattern)
  const parsed = looksLikeRange ? parseRange(pattern) : undefined
  return (values) => {
    const value = values[at]
    if (value === undefined || !/^[\d.a-f:]*$/.test(value)) return false
    if (value === pattern || `[${value}]` === pattern) return true
    if (parsed === undefined || value.includes(':') !== pattern.includes(':')) return false
    if (parsed.kind === 'error') return { error: parsed.reason }
    const address = parseAddress(value)
    return address !== undefined && inRange(parsed.range, address)
  }
}

/** The keys for a name: itself, then its parents, with their leading dot or (`parent`) without. */
function* domainKeys(name: string, parent: boolean): Generator<string> {
  yield name
  for (let dot = name.indexOf('.', 1); dot > 0; dot = name.indexOf('.', dot + 1)) {
    yield parent ? name.slice(dot + 1) : name.slice(dot)
  }
}

/** Whether one of `keys` is in the table; later keys wait for the answer of a slow one. */
function anyKey(table: Table, keys: Iterator<string>): MaybePromise<MatchResult> {
  const judge = (answer: Lookup): MatchResult | undefined => {
    if (answer.kind === 'found') return true
    return answer.kind === 'error' ? { error: `${table.name}: table lookup problem` } : undefined
  }
  for (let key = keys.next(); key.done !== true; key = keys.next()) {
    const answer = table.lookup(key.value)
    if (answer instanceof Promise) return answer.then((later) => judge(later) ?? anyKey(table, keys))
    const result = judge(answer)
    if (result !== undefined) return result
  }
  return false
}

function* hostKeys(values: readonly (string | undefined)[], table: Table, parent: boolean): Generator<string> {
  const [name, address] = values
  if (name !== undefined && name !== '') {
    if (table.pattern) yield name
    else yield* domainKeys(name, parent)
  }
  if (address !== undefined && address !== '') yield address
}

/** Matches what is a key of `table`; `domain` and `host` lists also ask for the parents of a name. */
export function tableItem(table: Table, mode: 'string' | 'domain' | 'address' | 'host', parent: boolean): MatchItem {
  if (mode === 'domain' || mode === 'host') return (values) => anyKey(table, hostKeys(values, table, parent))
  return ([value]) => anyKey(table, [value ?? ''].values())
}
