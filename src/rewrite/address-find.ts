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
 * Looks `address` up.
 *
 * @param address Internal form. The null address is asked for as `""`.
 */
export async function findAddress(
  maps: Maps,
  address: string,
  context: AddressContext,
  options: FindOptions = {},
): Promise<FindResult> {
  if (maps.empty) return ABSENT
  const { form = 'both', strategy = { kind: 'default' } } = options
  const stripped = stripExtension(address, context.delimiters, context.extensions)
  const bare = stripped.extension === undefined ? undefined : stripped.address
  const users: Key[] = [{ key: address, partial: false, quoting: 'address', extension: undefined }]
  if (bare !== undefined) users.push({ key: bare, partial: true, quoting: 'address', extension: stripped.extension })
  const first = await findFirst(maps, users, form)
  if (first.kind !== 'absent') return first
  if (strategy.kind === 'domains') return findFirst(maps, partKeys(users, strategy), form)
  return findFirst(maps, await defaultKeys(users, context), form)
}

async function findFirst(maps: Maps, keys: readonly Key[] | 'error', form: KeyForm): Promise<FindResult> {
  if (keys === 'error') return { kind: 'error', reason: 'mydestination lookup failure', table: maps.title }
  for (const key of keys) {
    for (const text of keyTexts(key, form)) {
      const result = await maps.find(text, key.partial)
      if (result.kind === 'found') return { ...result, extension: key.extension }
      if (result.kind === 'error') return result
    }
  }
  return ABSENT
}

function keyTexts({ key, quoting }: Key, form: KeyForm): readonly string[] {
  if (quoting === 'none') return [key]
  if (key === '' && quoting === 'address') return ['""']
  const external = quoting === 'local' ? quoteLocal(key) : externalAddress(key)
  return form === 'both' && external !== key ? [external, key] : [external]
}

/** Parts of the address after the whole of it: for local domains the local part, then `@domain`. */
async function defaultKeys(users: readonly Key[], context: AddressContext): Promise<readonly Key[] | 'error'> {
  const { domain } = splitAddress(users[0]?.key ?? '')
  if (domain === undefined) return []
  const atDomain = domainKey(`@${domain}`)
  const local = equalsIgnoreCase(domain, context.rules.myorigin) || (await context.isLocal(domain))
  if (local === 'error') return 'error'
  if (!local) return [atDomain]
  const names = users.map(
    (user): Key => ({ ...user, key: splitAddress(user.key).local, partial: true, quoting: 'local' }),
  )
  return [...names, atDomain]
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
