/**
 * Certificates by the name that a client asks for (SNI).
 *
 * Source: postconf(5) tls_server_sni_maps; RFC 6066 §3.
 *
 * @module
 */
import type { SecureContext } from 'node:tls'
import type { Config } from '#config/config.ts'
import type { ServerTls } from '#network/tls.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openMaps, type MapsResult } from '#tables/maps.ts'
import { asciiLower } from '#util/ascii.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { splitAtChars } from '#util/split.ts'

/** Finds contexts. */
export type ServerNames = { find(name: string): MaybePromise<SecureContext | undefined> }

/** Names whose contexts are kept: each holds a key and a chain. */
const KEPT_MAX = 1000

/** `.parent.domain` of a name, or of another such key. */
function wider(name: string): string | undefined {
  const dot = name.indexOf('.', 1)
  return dot < 0 ? undefined : name.slice(dot)
}

/** Opens the table. Values are PEM files, or base64 of PEM text as `postmap -F` makes it. */
export function openServerNames(config: Config, tls: ServerTls | undefined): ServerNames {
  const maps = openMaps('tls_server_sni_maps', config.str('tls_server_sni_maps'), { config })
  if (tls === undefined || maps.empty) return { find: () => undefined }
  const kept = new Map<string, SecureContext | undefined>()
  const contextOf = (value: string): SecureContext | undefined => {
    if (kept.has(value)) return kept.get(value)
    if (kept.size >= KEPT_MAX) kept.clear()
    let context: SecureContext | undefined
    try {
      const pem = Buffer.from(value, 'base64').toString('latin1')
      context = pem.includes('-----BEGIN ') ? tls.contextOfPem(pem) : tls.contextFor(splitAtChars(value))
    } catch (error) {
      log.warning(`tls_server_sni_maps: ${errnoText(error)}`)
    }
    kept.set(value, context)
    return context
  }
  const use = (result: MapsResult): SecureContext | undefined => {
    return result.kind === 'found' ? contextOf(result.value) : undefined
  }
  /** The name, then `.parent.domain` keys. */
  const search = (key: string): MaybePromise<SecureContext | undefined> => whenReady(maps.find(key), (result) => {
    const next = wider(key)
    return result.kind !== 'absent' || next === undefined ? use(result) : search(next)
  })
  return { find: (name) => search(asciiLower(name)) }
}
