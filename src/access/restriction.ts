/**
 * The shape of restrictions, and lists of them as values.
 *
 * Source: postconf(5), smtpd_recipient_restrictions and kin.
 */
import type { Maps } from '#tables/maps.ts'
import { asciiLower } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, ListContext, Status } from './evaluation.ts'

/** What follows a restriction's name in a list. */
export type ArgumentKind = 'none' | 'table' | 'domain' | 'service' | 'number'

/** Who looks up what: for the reply, and for complaints about the table. */
export type LookupRequest = {
  /** As the admin wrote it: a table, or a policy service. */
  readonly table: string
  /** What is looked up. */
  readonly key: string
  /** How a rejection names what it is about. */
  readonly list: ListContext
}

/** Runs restrictions that a table or a service named. */
export type Interpreter = {
  /** Acts on the result of an access table or a policy service. */
  act(evaluation: Evaluation, request: LookupRequest, value: string): MaybePromise<Status>
  /** Asks a policy service. */
  askPolicy(evaluation: Evaluation, list: ListContext, service: string): Promise<Status>
  /** The tables of an argument; `undefined` when it is malformed. */
  tables(argument: string): AccessTable | undefined
}

/** A table argument: `type:table`, or `{ type:table { search_order = a, b } }`. */
export type AccessTable = { readonly maps: Maps; readonly searchOrder: readonly string[] | undefined }

/** A call of a restriction. */
export type Call = {
  readonly evaluation: Evaluation
  readonly list: ListContext
  /** The restriction's name as the admin wrote it. */
  readonly name: string
  /** What follows the name; empty for `none`. */
  readonly argument: string
  readonly interpreter: Interpreter
}

/** One restriction. */
export type Restriction = {
  readonly argument: ArgumentKind
  /** Whether what follows it in a list can never be reached. */
  readonly final?: boolean
  run(call: Call): MaybePromise<Status>
}

/** Restrictions by name, in lower case. */
export type RestrictionTable = Readonly<Record<string, Restriction>>

/** A restriction without argument. */
export const plain = (run: Restriction['run']): Restriction => ({ argument: 'none', run })

/** A restriction followed by a `type:table`. */
export const withTable = (run: Restriction['run']): Restriction => ({ argument: 'table', run })

/** A restriction followed by a DNS list domain. */
export const withDomain = (run: Restriction['run']): Restriction => ({ argument: 'domain', run })

/** One item of a list, ready to run. */
export type Item =
  | { readonly kind: 'warn' }
  | {
    readonly kind: 'call'
    readonly name: string
    readonly restriction: Restriction
    readonly argument: string
    readonly next?: string
  }
  | { readonly kind: 'table'; readonly table: string }
  /** A restriction without the argument that it needs. */
  | { readonly kind: 'incomplete'; readonly name: string; readonly needs: ArgumentKind; readonly got: string }
  /** A restriction class, or a word that nothing defines. */
  | { readonly kind: 'word'; readonly name: string }

/** Reads a list. What is wrong in it shows when it is run, as an error for the client. */
export function compileList(words: readonly string[], restrictions: ReadonlyMap<string, Restriction>): Item[] {
  const items: Item[] = []
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? ''
    const item = compileWord(name, words[i + 1], words[i + 2], restrictions)
    items.push(item)
    if (consumesNext(item)) i++
  }
  return items
}

function compileWord(
  name: string,
  next: string | undefined,
  afterNext: string | undefined,
  restrictions: ReadonlyMap<string, Restriction>,
): Item {
  const key = asciiLower(name)
  if (key === 'warn_if_reject') return { kind: 'warn' }
  if (name.includes(':')) return { kind: 'table', table: name }
  const restriction = restrictions.get(key)
  if (restriction === undefined) return { kind: 'word', name }
  const { argument: needs } = restriction
  if (!isArgument(needs, next)) return { kind: 'incomplete', name, needs, got: next ?? name }
  const follower = needs === 'none' ? next : afterNext
  const call = { kind: 'call', name, restriction, argument: needs === 'none' ? '' : (next ?? '') } as const
  return follower === undefined ? call : { ...call, next: follower }
}

function isArgument(needs: ArgumentKind, next: string | undefined): boolean {
  if (needs === 'none') return true
  if (next === undefined) return false
  if (needs === 'number') return /^\d+$/.test(next)
  return needs === 'domain' || next.includes(':')
}

/** A wrong table is taken as the argument all the same; a list must not be read on from there as if it were right. */
function consumesNext(item: Item): boolean {
  if (item.kind === 'call') return item.restriction.argument !== 'none'
  return item.kind === 'incomplete' && item.needs === 'table'
}
