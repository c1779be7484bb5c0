/**
 * TLS per destination: which level, which names the certificate may have, which protocols.
 *
 * Built: none, may, encrypt, verify, secure. The levels dane-only and fingerprint, and dane with
 * validated name lookups, are refused: mail waits, and the log says why. Like Postfix, dane without
 * validated lookups becomes may, with a warning; no other level is ever weakened.
 *
 * Source: TLS_README; smtp_tls_policy_maps and smtp_tls_security_level in postconf(5).
 */
import type { Config } from '#config/config.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import { splitAtChars } from '#util/split.ts'
import { parameterNames } from './parameter-name.ts'
import type { TlsLevel } from './session.ts'

/** What a session must and may do about TLS. */
export type TlsPolicy = {
  readonly level: TlsLevel
  /** Names or patterns that the certificate must have: `hostname`, `nexthop`, `dot-nexthop`, a name, `.suffix`. */
  readonly match: readonly string[]
  /** As in smtp_tls_protocols. */
  readonly protocols: string
  readonly servername: string
  readonly connectionReuse: boolean
}

/** `unusable`: the policy cannot be carried out; its text is already in the log. */
export type PolicyAnswer =
  | { readonly kind: 'ok'; readonly policy: TlsPolicy }
  | { readonly kind: 'unusable'; readonly dsn: string; readonly reason: string }

/** Finds policies. */
export type TlsPolicies = {
  /**
   * @param nexthop The destination as written.
   * @param host Its name alone.
   */
  find(nexthop: string, host: string): Promise<PolicyAnswer>
}

const LEVELS: readonly string[] = ['none', 'may', 'encrypt', 'verify', 'secure']
const UNBUILT_LEVELS: readonly string[] = ['dane', 'dane-only', 'fingerprint']

function isLevel(word: string): word is TlsLevel {
  return LEVELS.includes(word)
}

/** Opens the policies of one service. */
export function openTlsPolicies(config: Config, lmtp: boolean): TlsPolicies {
  const pick = parameterNames(lmtp)
  const maps = openMaps(pick('tls_policy_maps'), config.str(pick('tls_policy_maps')), { config })
  const defaultLevel = defaultLevelOf(
    config.str(pick('tls_security_level')), config.bool(pick('enforce_tls')), config.bool(pick('use_tls')),
    config.bool(pick('tls_enforce_peername')),
  )
  const defaults = (level: TlsLevel): TlsPolicy => ({
    level,
    match: matchWords(config.str(pick(level === 'secure' ? 'tls_secure_cert_match' : 'tls_verify_cert_match'))),
    protocols: config.str(pick(level === 'may' ? 'tls_protocols' : 'tls_mandatory_protocols')),
    servername: config.str(pick('tls_servername')),
    connectionReuse: config.bool(pick('tls_connection_reuse')),
  })
  const perSite = config.str(pick('tls_per_site'))
  if (perSite !== '') log.warning(`${pick('tls_per_site')} is not supported: use ${pick('tls_policy_maps')}`)
  return {
    find: async (nexthop, host) => {
      if (perSite !== '') return unusable('4.7.5', `unsupported parameter: ${pick('tls_per_site')}`)
      const entry = await lookup(maps, nexthop, host)
      if (entry === FAILED) return unusable('4.7.0', `TLS policy lookup error for ${nexthop}`)
      const text = withoutDane(entry ?? defaultLevel, nexthop, config.str(pick('dns_support_level')))
      const where = entry === undefined ? pick('tls_security_level') : `${maps.title}, next-hop ${nexthop}`
      return parsePolicy(text, defaults, where)
    },
  }
}

/** Words of a list in which colons separate too. */
function matchWords(text: string): string[] {
  return splitAtChars(text, ', \t\r\n:')
}

/** The level of the parameters; the old yes/no ones count where the new one is empty. */
function defaultLevelOf(level: string, enforce: boolean, use: boolean, peername: boolean): string {
  if (level !== '') return level.toLowerCase()
  if (enforce) return peername ? 'verify' : 'encrypt'
  return use ? 'may' : 'none'
}

/** The table could not be asked. */
const FAILED = Symbol('lookup error')

/** The whole next hop first; a plain domain name then also by its parents. */
async function lookup(maps: Maps, nexthop: string, host: string): Promise<string | typeof FAILED | undefined> {
  const whole = await maps.find(nexthop)
  if (whole.kind !== 'absent') return whole.kind === 'found' ? whole.value : FAILED
  if (nexthop !== host) return undefined
  for (let dot = host.indexOf('.', 1); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const parent = await maps.find(host.slice(dot), true)
    if (parent.kind !== 'absent') return parent.kind === 'found' ? parent.value : FAILED
  }
  return undefined
}

function unusable(dsn: string, reason: string): PolicyAnswer {
  return { kind: 'unusable', dsn, reason }
}

/** Certificates by DNS cannot be looked up without validation: dane is opportunistic, and gives way. */
function withoutDane(text: string, nexthop: string, dnsSupport: string): string {
  const [level = ''] = splitAtChars(text.toLowerCase())
  if (!level.startsWith('dane') || dnsSupport.toLowerCase() === 'dnssec') return text
  log.warning(`${nexthop}: ${level} configured with dnssec lookups disabled`)
  return level === 'dane' ? text.replace(/dane/i, 'may') : text
}

/** Reads `level name=value …`. */
function parsePolicy(text: string, defaults: (level: TlsLevel) => TlsPolicy, where: string): PolicyAnswer {
  const [level = '', ...attributes] = splitAtChars(text)
  const word = level.toLowerCase()
  if (!isLevel(word)) {
    const why = UNBUILT_LEVELS.includes(word) ? 'unsupported TLS security level' : 'invalid security level'
    log.warning(`${where}: ${why} "${level}"`)
    return unusable('4.7.5', 'client TLS configuration problem')
  }
  const policy = { ...defaults(word) }
  for (const attribute of attributes) {
    const equals = attribute.indexOf('=')
    const name = attribute.slice(0, equals)
    const value = attribute.slice(equals + 1)
    if (name === 'match') policy.match = value.split(/[:|]/)
    else if (name === 'protocols') policy.protocols = value
    else if (name === 'servername') policy.servername = value
    else if (name === 'connection_reuse') policy.connectionReuse = value === 'yes'
    else if (!IGNORABLE.includes(name)) {
      log.warning(`${where}: unsupported attribute "${attribute}"`)
      return unusable('4.7.5', 'client TLS configuration problem')
    }
  }
  return { kind: 'ok', policy }
}

/** Attributes that ask for less choice than the library's defaults already leave. */
const IGNORABLE: readonly string[] = ['ciphers', 'exclude', 'enable_rpk']
