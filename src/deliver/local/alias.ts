/**
 * Lookups in alias_maps: the alias itself, its owner, and the rights of what it names.
 *
 * Source: aliases(5); postconf(5) owner_request_special, expand_owner_alias.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { quoteLocal, splitAddress, splitExtension } from '#mail/address.ts'
import { getpwuid } from '#system/users.ts'
import { foldCase } from '#util/ascii.ts'
import { parseDestinations } from './destination.ts'
import type { LocalSettings } from './settings.ts'
import type { Rights } from './state.ts'

/** An entry of alias_maps that was found for a recipient. `unmatched`: the extension, where the entry is for the name without it. */
export type Alias = {
  readonly name: string
  readonly value: string
  /** Rights of the owner of the table; undefined for root's tables: default_privs. */
  readonly privileges: Rights | undefined
  readonly unmatched: string
}

/** The address of an owner, in internal form; undefined: there is none; `error`: the table cannot be asked. */
export type Owner = { readonly address: string } | 'error' | undefined

/** The alias of a local part, with its extension first; an alias that names itself (`namedBy`) means the user. */
export async function findAlias(
  settings: LocalSettings, local: string, namedBy: string | undefined,
): Promise<Alias | 'error' | undefined> {
  if (settings.aliases.empty) return undefined
  const { user, extension, delimiter } = splitExtension(local, settings.delimiters)
  const whole = [local, ''] as const
  const keys = extension === undefined ? [whole] : [whole, [user, `${delimiter}${extension}`] as const]
  for (const [name, unmatched] of keys) {
    if (foldCase(name) === namedBy) return undefined
    const found = await settings.aliases.find(quoteLocal(name))
    if (found.kind === 'error') return 'error'
    if (found.kind === 'found') return { name, value: found.value, unmatched, privileges: tableOwner(found.table) }
  }
  return undefined
}

/** Whoever owns the table decides which commands run: with the owner's rights, unless that is root. */
function tableOwner(table: string): Rights | undefined {
  const [, path = ''] = /^\w+:(\/.*)$/.exec(table) ?? []
  const stats = path === '' ? undefined : statSync(path, { throwIfNoEntry: false })
  return stats && stats.uid !== 0 ? (getpwuid(stats.uid) ?? { uid: stats.uid, gid: stats.gid }) : undefined
}

/** The sender that errors of a list's members go to: its `owner-` alias. */
export async function ownerOf(settings: LocalSettings, name: string): Promise<Owner> {
  if (!settings.config.bool('owner_request_special') || settings.aliases.empty) return undefined
  const found = await settings.aliases.find(quoteLocal(`owner-${name}`))
  if (found.kind === 'error') return 'error'
  if (found.kind === 'absent') return undefined
  const origin = settings.config.str('myorigin')
  const first = parseDestinations(found.value).find((destination) => destination.kind === 'address')
  const address = settings.expandOwner && first ? first.address : `owner-${name}`
  return { address: address.includes('@') ? address : `${address}@${origin}` }
}

/** The owner of the list that a recipient is, for what goes wrong with the list itself; without its extension too. */
export async function ownerOfRecipient(settings: LocalSettings, address: string): Promise<Owner> {
  const { local } = splitAddress(address)
  const owner = await ownerOf(settings, local)
  if (owner !== undefined) return owner
  const { user, extension } = splitExtension(local, settings.delimiters)
  return extension === undefined ? undefined : ownerOf(settings, user)
}
