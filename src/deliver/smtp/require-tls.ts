/**
 * REQUIRETLS: what a sender's wish for protection on the whole way means for one server.
 *
 * Source: RFC 8689; smtp_requiretls_policy, requiretls_enable, tls_required_enable in postconf(5).
 */
import type { Config } from '#config/config.ts'
import { isHostAddress } from '#network/dns/hostname.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import { splitOutsideBraces } from '#util/split.ts'
import { SEND_OPTION } from './commands.ts'
import type { TlsLevel } from './session.ts'
import type { TlsPolicy } from './tls-policy.ts'

/**
 * How strictly a server is held to the wish. `enforce`: certificate, encryption and
 * REQUIRETLS; `starttls`: encryption; `opportunistic`: what the server has.
 */
export type RequireTls = 'enforce' | 'starttls' | 'opportunistic'

/** The policies of one service. */
export type RequireTlsPolicies = {
  /** @returns `undefined`: the sender has no such wish, or it is not heeded. */
  find(sendOptions: number, host: string, address: string): Promise<RequireTls | undefined>
  /** `TLS-Required: no`: the sender prefers delivery to protection. RFC 8689 §5. */
  relaxed(policy: TlsPolicy, sendOptions: number): TlsPolicy
}

/** Why the policy of TLS rules the wish out, whatever the server does. */
export type Impossible = {
  /** What `tls=` says after `requiretls:`. */
  readonly status: 'noencryption' | 'nocertmatch'
  readonly text: string
}

/** Whether our own TLS level can meet the wish. */
export function impossibleProtection(
  wish: RequireTls | undefined, level: TlsLevel, host: string,
): Impossible | undefined {
  const disabled = (what: string): string =>
    `Sender requested REQUIRETLS, but my configured TLS security level '${level}' disables ${what}. `
      + `The last attempted server was ${host}`
  const checksCertificates = level === 'verify' || level === 'secure'
  if (wish === 'starttls' && level === 'none') return { status: 'noencryption', text: disabled('encryption') }
  const missing = (wish === 'enforce' || wish === 'starttls') && !checksCertificates
  return missing ? { status: 'nocertmatch', text: disabled('certificate matching') } : undefined
}

const ACTIONS: ReadonlyMap<string, RequireTls | 'disable'> = new Map([
  ['enforce', 'enforce'], ['opportunistic+starttls', 'starttls'], ['opportunistic', 'opportunistic'],
  ['disable', 'disable'],
])

/** Opens the policies. Items of the list are tables, or a word that counts for all servers. */
export function openRequireTls(config: Config, lmtp: boolean): RequireTlsPolicies {
  const name = lmtp ? 'lmtp_requiretls_policy' : 'smtp_requiretls_policy'
  const enabled = config.bool('requiretls_enable')
  const heedsHeader = config.bool('tls_required_enable')
  const items = splitOutsideBraces(config.str(name))
    .map((item): Maps | string => (item.includes(':') ? openMaps(name, item, { config }) : item))
  return {
    find: async (sendOptions, host, address) => {
      if (!enabled || (sendOptions & SEND_OPTION.requireTls) === 0) return undefined
      const word = await firstAction(items, host, address)
      const action = ACTIONS.get(word.toLowerCase())
      if (action === undefined) log.warning(`${name}: unknown action "${word}": enforcing REQUIRETLS`)
      return action === 'disable' ? undefined : action ?? 'enforce'
    },
    relaxed: (policy, sendOptions) => {
      const wanted = heedsHeader && (sendOptions & SEND_OPTION.tlsNotRequired) !== 0 && policy.level !== 'none'
      return wanted ? { ...policy, level: 'may' } : policy
    },
  }
}

/** The first item that says something about the server. A table that cannot be asked says: enforce. */
async function firstAction(items: readonly (Maps | string)[], host: string, address: string): Promise<string> {
  for (const item of items) {
    if (typeof item === 'string') return item
    for (const key of keysOf(host, address)) {
      const answer = await item.find(key)
      if (answer.kind !== 'absent') return answer.kind === 'found' ? answer.value : 'enforce'
    }
  }
  return 'enforce'
}

/** The server's name, its parent domains with a dot in front, its address. */
function keysOf(host: string, address: string): string[] {
  if (isHostAddress(host)) return [address]
  const parents: string[] = []
  for (let dot = host.indexOf('.', 1); dot >= 0; dot = host.indexOf('.', dot + 1)) parents.push(host.slice(dot))
  return [host, ...parents, address].filter(Boolean)
}
