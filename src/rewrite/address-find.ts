/**
 * Lookup of an address in tables, from the whole address to its parts.
 *
 * Keys in order, each in all tables before the next: `user+ext@domain`,
 * `user@domain`; for local domains `user+ext`, `user`; `@domain`. Transport and access
 * tables have domains and parent domains in place of these, access tables then `user@`.
 *
 * Source: canonical(5), virtual(5), relocated(5), access(5), "TABLE SEARCH ORDER".
 */
import { externalAddress, quoteLocal, splitAddress, stripExtension } from '#mail/address.ts'
import type { Maps, MapsResult } from '#tables/maps.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { AddressContext } from './address-context.ts'

/** `external`: quoted keys only. `both`: then also the unquoted one, where it differs, as old tables have it. */
export type KeyForm = 'external' | 'both'

/** Which keys follow the whole address. */
export type FindStrategy =
  /** Local part for local domains, then `@domain`. */
  | { readonly kind: 'default' }
  /** Domain, its parents (`.parent` or, with `plainParents`, `parent`), and with `users` then `user+ext@`, `user@`. */
  | { readonly kind: 'domains'; readonly plainParents: boolean; readonly users: boolean }

/** What is found; `extension` (with its delimiter, internal form) is the part of the address that the key lacked. */
export type FindResult =
  | { readonly kind: 'found'; readonly value: string; readonly table: string; readonly extension: string | undefined }
  | Exclude<MapsResult, { readonly kind: 'found' }>

const ABSENT: FindResult = { kind: 'absent' }
const DEFAULT_STRATEGY: FindStrategy = { kind: 'default' }

/** Options of `findAddress()`; by default `both` and `default`. */
export type FindOptions = { readonly form?: KeyForm; readonly strategy?: FindStrategy }

/** One key: internal form, and how to ask for it. */
type Key = {
  readonly key: string
  /** Whether pattern tables are left out. */
  readonly partial: boolean
  /** What is quoted: the local part of an address, all of it, or nothing (domains). */
  readonly quoting: 'address' | 'local' | 'none'
  readonly extension: string | undefined
}

/**
 * Looks `address` up; at once where the tables answer at once.
 *
 * @param address Internal form. The null address is asked for as `""`.
 */
export function findAddress(
  maps: Maps,
  address: string,
  context: AddressContext,
  options: FindOptions = {},
): MaybePromise<FindResult> {
  if (maps.empty) return ABSENT
  const { form = 'both', strategy = DEFAULT_STRATEGY } = options
  const stripped = stripExtension(address, context.delimiters, context.extensions)
  const bare = stripped.extension === undefined ? undefined : stripped.address
  const users: Key[] = [{ key: address, partial: false, quoting: 'address', extension: undefined }]
  if (bare !== undefined) users.push({ key: bare, partial: true, quoting: 'address', extension: stripped.extension })
  return whenReady(findFirst(maps, users, form), (first) => {
    if (first.kind !== 'absent') return first
    if (strategy.kind === 'domains') return findFirst(maps, partKeys(users, strategy), form)
    return whenReady(defaultKeys(users, context), (keys) => findFirst(maps, keys, form))
  })
}

function findFirst(maps: Maps, keys: readonly Key[] | 'error', form: KeyForm, start = 0): MaybePromise<FindResult> {
  if (keys === 'error') return { kind: 'error', reason: 'mydestination lookup failure', table: maps.title }
  for (let i = start; i < keys.length; i++) {
    const key = keys[i]
    if (key === undefined) break
    const result = findKey(maps, key, form)
    if (isPromise(result)) {
      return result.then((later) => later.kind === 'absent' ? findFirst(maps, keys, form, i + 1) : later)
    }
    if (result.kind !== 'absent') return result
  }
  return ABSENT
}

/** One key in the forms that tables may have it in. */
function findKey(maps: Maps, key: Key, form: KeyForm): MaybePromise<FindResult> {
  const [text = '', other] = keyTexts(key, form)
  return whenReady(maps.find(text, key.partial), (first) => {
    if (first.kind !== 'absent' || other === undefined) return withExtension(first, key)
    return whenReady(maps.find(other, key.partial), (second) => withExtension(second, key))
  })
}

function withExtension(result: MapsResult, { extension }: Key): FindResult {
  return result.kind === 'found' ? { ...result, extension } : result
}

function keyTexts({ key, quoting }: Key, form: KeyForm): readonly string[] {
  if (quoting === 'none') return [key]
  if (key === '' && quoting === 'address') return ['""']
  const external = quoting === 'local' ? quoteLocal(key) : externalAddress(key)
  return form === 'both' && external !== key ? [external, key] : [external]
}

/** Parts of the address after the whole of it: for local domains the local part, then `@domain`. */
function defaultKeys(users: readonly Key[], context: AddressContext): MaybePromise<readonly Key[] | 'error'> {
  const { domain } = splitAddress(users[0]?.key ?? '')
  if (domain === undefined) return []
  const atDomain = domainKey(`@${domain}`)
  return whenReady(equalsIgnoreCase(domain, context.rules.myorigin) || context.isLocal(domain), (local) => {
    if (local === 'error') return 'error'
    if (!local) return [atDomain]
    const names = users.map(
      (user): Key => ({ ...user, key: splitAddress(user.key).local, partial: true, quoting: 'local' }),
    )
    return [...names, atDomain]
  })
}

function domainKey(key: string): Key {
  return { key, partial: true, quoting: 'none', extension: undefined }
}

function partKeys(
  users: readonly Key[],
  strategy: Extract<FindStrategy, { readonly kind: 'domains' }>,
): readonly Key[] {
  const { domain } = splitAddress(users[0]?.key ?? '')
  if (domain === undefined) return []
  const domains = domainKeys(domain, strategy.plainParents).map(domainKey)
  if (!strategy.users) return domains
  return [
    ...domains, ...users.map((user): Key => ({ ...domainKey(`${splitAddress(user.key).local}@`), quoting: 'address' })),
  ]
}

/** A domain and its parents, to the top: `a.b.c`, then `.b.c`, `.c`, or with `plainParents` `b.c`, `c`. */
export function domainKeys(domain: string, plainParents: boolean): string[] {
  const keys: string[] = []
  for (let name = domain; name !== ''; ) {
    keys.push(name)
    const dot = name.indexOf('.', 1)
    if (dot < 0) break
    name = name.slice(plainParents ? dot + 1 : dot)
  }
  return keys
}
