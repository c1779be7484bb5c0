/**
 * TLS per destination: which level, which names the certificate may have, which protocols and ciphers.
 *
 * Built: none, may, encrypt, verify, secure. The levels dane-only and fingerprint, and dane with
 * validated name lookups, are refused: mail waits, and the log says why. Like Postfix, dane without
 * validated lookups becomes may, with a warning; no other level is ever weakened. Attributes that are
 * not built (tafile, those of MTA-STS), and values that make no sense, are refused in the same way.
 *
 * Source: TLS_README; smtp_tls_policy_maps and smtp_tls_security_level in postconf(5).
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { cipherList, versionRange } from '#network/tls/protocols.ts'
import { isValidHostname } from '#network/dns/hostname.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'
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
  /** Grade, as in smtp_tls_ciphers. */
  readonly ciphers: string
  /** Words for ciphers that are left out. */
  readonly exclude: readonly string[]
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
  const perSite = config.str(pick('tls_per_site'))
  if (perSite !== '') log.warning(`${pick('tls_per_site')} is not supported: use ${pick('tls_policy_maps')}`)
  return {
    find: async (nexthop, host) => {
      if (perSite !== '') return unusable('4.7.5', `unsupported parameter: ${pick('tls_per_site')}`)
      const entry = await lookup(maps, nexthop, host)
      if (entry === FAILED) return unusable('4.7.0', `TLS policy lookup error for ${nexthop}`)
      const text = withoutDane(entry ?? defaultLevel, nexthop, config.str(pick('dns_support_level')))
      const where = entry === undefined ? pick('tls_security_level')
        : `${maps.title}, next-hop destination "${nexthop}"`
      try {
        return { kind: 'ok', policy: parsePolicy(text, config, lmtp) }
      } catch (error) {
        if (!(error instanceof BadPolicy || error instanceof ConfigError)) throw error
        log.warning(`${where}: ${error.message}`)
        return unusable('4.7.5', 'client TLS configuration problem')
      }
    },
  }
}

/** What the parameters say for a level. */
function defaultsOf(level: TlsLevel, config: Config, lmtp: boolean): TlsPolicy {
  const pick = parameterNames(lmtp)
  const mandatory = level !== 'may'
  return {
    level,
    match: matchWords(config.str(pick(level === 'secure' ? 'tls_secure_cert_match' : 'tls_verify_cert_match'))),
    protocols: config.str(pick(mandatory ? 'tls_mandatory_protocols' : 'tls_protocols')),
    ciphers: config.str(pick(mandatory ? 'tls_mandatory_ciphers' : 'tls_ciphers')),
    exclude: [
      ...exclusions(config.str(pick('tls_exclude_ciphers'))),
      ...(mandatory ? exclusions(config.str(pick('tls_mandatory_exclude_ciphers'))) : []),
    ],
    servername: config.str(pick('tls_servername')),
    connectionReuse: config.bool(pick('tls_connection_reuse')),
  }
}

function exclusions(text: string): string[] {
  return splitAtChars(text, ':, \t\r\n')
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
    const parent = await maps.find(host.slice(dot))
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

/** A policy that cannot be carried out as written; the message is for the log. */
class BadPolicy extends Error {
  override readonly name = 'BadPolicy'
}

/** Attributes that may stand more than once. */
const REPEATABLE: ReadonlySet<string> = new Set(['match', 'connection_reuse', 'enable_rpk'])
/** Attributes of Postfix that are not built. */
const UNBUILT: ReadonlySet<string> = new Set([
  'tafile', 'policy_type', 'policy_domain', 'policy_string', 'mx_host_pattern', 'policy_failure', 'policy_ttl',
])

/** Reads `level name=value …`. @throws {BadPolicy | ConfigError} */
function parsePolicy(text: string, config: Config, lmtp: boolean): TlsPolicy {
  const [level, ...attributes] = splitAtChars(text)
  if (level === undefined) throw new BadPolicy('invalid empty policy')
  const word = asciiLower(level)
  if (!isLevel(word)) {
    throw new BadPolicy(`${UNBUILT_LEVELS.includes(word) ? 'unsupported TLS' : 'invalid'} security level "${level}"`)
  }
  const policy = { ...defaultsOf(word, config, lmtp) }
  if (word === 'none') {
    for (const each of attributes) log.warning(`ignoring attribute "${each}" with TLS disabled`)
    return policy
  }
  const seen = new Set<string>()
  for (const attribute of attributes) applyAttribute(policy, attribute, seen)
  // Read for what it throws: a bad list is found here, not in the middle of a session.
  versionRange('protocols', policy.protocols)
  cipherList(config, policy.ciphers, policy.exclude)
  return policy
}

function applyAttribute(policy: Writable<TlsPolicy>, attribute: string, seen: Set<string>): void {
  const equals = attribute.indexOf('=')
  if (equals <= 0) throw new BadPolicy(`malformed attribute/value pair "${attribute}"`)
  const name = asciiLower(attribute.slice(0, equals))
  const value = attribute.slice(equals + 1)
  if (value === '' && (name === 'ciphers' || name === 'match')) {
    throw new BadPolicy(`attribute "${name}" has empty value`)
  }
  if (seen.has(name) && !REPEATABLE.has(name)) throw new BadPolicy(`attribute "${name}" is specified multiple times`)
  if (name === 'match') policy.match = [...(seen.has(name) ? policy.match : []), ...matchOf(policy.level, value)]
  else if (name === 'protocols') policy.protocols = value
  else if (name === 'ciphers') policy.ciphers = value
  else if (name === 'exclude') policy.exclude = exclusions(value)
  else if (name === 'servername') policy.servername = hostNameOf(value)
  else if (name === 'connection_reuse') policy.connectionReuse = yesOrNo(name, value)
  // Raw public keys are an offer to the server, which may do without.
  else if (name === 'enable_rpk') yesOrNo(name, value)
  else if (UNBUILT.has(name)) throw new BadPolicy(`unsupported attribute "${name}"`)
  else throw new BadPolicy(`invalid attribute name: "${name}"`)
  seen.add(name)
}

type Writable<T> = { -readonly [K in keyof T]: T[K] }

/** Names count where a certificate is checked, and nowhere else. */
function matchOf(level: TlsLevel, value: string): string[] {
  if (level === 'verify' || level === 'secure') return splitAtChars(value, ':')
  throw new BadPolicy(`attribute "match" invalid at security level "${level}"`)
}

function hostNameOf(value: string): string {
  if (isValidHostname(value)) return value
  throw new BadPolicy(`"servername=${value}" specifies an invalid hostname`)
}

function yesOrNo(name: string, value: string): boolean {
  const word = asciiLower(value)
  if (word === 'yes' || word === 'no') return word === 'yes'
  throw new BadPolicy(`attribute "${name}" has bad value: "${value}"`)
}
