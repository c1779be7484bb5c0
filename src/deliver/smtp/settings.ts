/**
 * The parameters of one smtp or lmtp service, read once.
 *
 * Source: postconf(5), smtp_* and lmtp_*.
 */
import type { Config } from '#config/config.ts'
import { ownAddresses, thisMachine, type LocalAddress } from '#config/machine.ts'
import { canonicalAddress } from '#network/dns/hostname.ts'
import { parseKnownPorts } from '#util/known-ports.ts'
import { splitAtChars } from '#util/split.ts'
import type { FamilyPreference } from './addresses.ts'
import { parameterNames } from './parameter-name.ts'
import type { StageTimes } from './stage.ts'

/** How host names are looked up, in order. */
export type HostLookup = readonly ('dns' | 'native')[]

/** What the whole client needs to know. Times in seconds. */
export type Settings = {
  readonly lmtp: boolean
  /** Name in master.cf. */
  readonly service: string
  readonly myhostname: string
  readonly heloName: string
  readonly defaultService: string
  readonly knownPorts: ReadonlyMap<string, number>
  readonly fallbackRelay: string
  readonly relayhost: string
  readonly bestMxTransport: string
  readonly families: readonly (4 | 6)[]
  readonly hostLookup: HostLookup
  readonly dnsEnabled: boolean
  readonly dnssec: boolean
  readonly resolverOptions: { readonly defaultDomain: boolean; readonly search: boolean }
  readonly ignoreMxLookupError: boolean
  readonly deferIfNoMxAddress: boolean
  readonly srvServices: readonly string[]
  readonly allowSrvFallback: boolean
  readonly ignoreSrvLookupError: boolean
  readonly randomize: boolean
  readonly familyPreference: FamilyPreference
  readonly balance: boolean
  readonly addressLimit: number
  readonly sessionLimit: number
  readonly ownAddresses: ReadonlySet<string>
  readonly bindAddress: { readonly 4: string; readonly 6: string }
  /** The only address of this mail system in a family, when it is not a loopback address; else empty. */
  readonly onlyAddress: { readonly 4: string; readonly 6: string }
  readonly bindEnforced: boolean
  /** 0: as long as the system waits. */
  readonly connectTimeout: number
  readonly times: StageTimes
  readonly alwaysSendEhlo: boolean
  readonly neverSendEhlo: boolean
  readonly discardKeywords: string
  readonly skip5xxGreeting: boolean
  readonly skipQuitResponse: boolean
  readonly sendXforward: boolean
  readonly quoteEnvelope: boolean
  readonly dummyMailAuth: boolean
  readonly lineLimit: number
  readonly disableDowngrade: boolean
  readonly verifyTarget: 'rcpt' | 'data'
  readonly softBounce: boolean
  /** lmtp_assume_final: a server without DSN is the last stop. */
  readonly assumeFinal: boolean
  /** smtp_per_request_deadline: time limits are for the whole of a step. */
  readonly deadline: boolean
  readonly pix: { readonly words: string; readonly threshold: number; readonly delay: number }
  readonly cacheDestinations: readonly string[]
  readonly cacheOnDemand: boolean
  readonly cacheSeconds: number
  readonly reuseSeconds: number
  readonly reuseCount: number
  /** `tls=` in the log. */
  readonly logTlsFeatures: boolean
  readonly tlsWrapper: boolean
  readonly minimalBackoff: number
  readonly saslEnabled: boolean
  readonly senderDependentAuth: boolean
  readonly headerBytesMax: number
  readonly nestingMax: number
  readonly boundaryBytesMax: number
}

/**
 * Reads the parameters.
 *
 * @param service The name of the service in master.cf.
 * @throws {ConfigError} When one has a bad value.
 */
export function readSettings(config: Config, service: string, lmtp: boolean): Settings {
  const pick = parameterNames(lmtp)
  const heloTimeout = config.time(lmtp ? 'lmtp_lhlo_timeout' : 'smtp_helo_timeout')
  const support = dnsSupport(config.str(pick('dns_support_level')), config)
  return {
    lmtp,
    service,
    myhostname: config.str('myhostname'),
    heloName: config.str(lmtp ? 'lmtp_lhlo_name' : 'smtp_helo_name'),
    defaultService: config.str(pick('tcp_port')),
    knownPorts: parseKnownPorts(config.str('known_tcp_ports')),
    fallbackRelay: config.str(pick('fallback_relay')),
    relayhost: config.str('relayhost'),
    bestMxTransport: config.str('best_mx_transport'),
    families: families(config.str('inet_protocols')),
    hostLookup: support === 'disabled' ? ['native'] : hostLookup(config.list(pick('host_lookup'))),
    dnsEnabled: support !== 'disabled',
    dnssec: support === 'dnssec',
    resolverOptions: resolverOptions(config.list(pick('dns_resolver_options'))),
    ignoreMxLookupError: config.bool('ignore_mx_lookup_error'),
    deferIfNoMxAddress: config.bool(pick('defer_if_no_mx_address_found')),
    srvServices: config.list('use_srv_lookup'),
    allowSrvFallback: config.bool('allow_srv_lookup_fallback'),
    ignoreSrvLookupError: config.bool('ignore_srv_lookup_error'),
    randomize: config.bool(pick('randomize_addresses')),
    familyPreference: familyPreference(config.str(pick('address_preference'))),
    balance: config.bool(pick('balance_inet_protocols')),
    addressLimit: config.int(pick('mx_address_limit')),
    sessionLimit: config.int(pick('mx_session_limit')),
    ownAddresses: ownAddressSet(config),
    bindAddress: { 4: unbracket(config.str(pick('bind_address'))), 6: unbracket(config.str(pick('bind_address6'))) },
    onlyAddress: { 4: onlyAddress(config, 4), 6: onlyAddress(config, 6) },
    bindEnforced: config.bool(pick('bind_address_enforce')),
    connectTimeout: config.time(pick('connect_timeout')),
    times: stageTimes(config, lmtp, heloTimeout),
    alwaysSendEhlo: config.bool('smtp_always_send_ehlo'),
    neverSendEhlo: config.bool('smtp_never_send_ehlo'),
    discardKeywords: config.str(lmtp ? 'lmtp_discard_lhlo_keywords' : 'smtp_discard_ehlo_keywords'),
    skip5xxGreeting: config.bool(pick('skip_5xx_greeting')),
    skipQuitResponse: config.bool(pick('skip_quit_response')),
    sendXforward: config.bool(pick('send_xforward_command')),
    quoteEnvelope: config.bool(pick('quote_rfc821_envelope')),
    dummyMailAuth: config.bool(pick('send_dummy_mail_auth')),
    lineLimit: config.int(pick('line_length_limit')),
    disableDowngrade: config.bool('disable_mime_output_conversion'),
    verifyTarget: config.str(pick('address_verify_target')).toLowerCase() === 'data' ? 'data' : 'rcpt',
    softBounce: config.bool('soft_bounce'),
    assumeFinal: lmtp && config.bool('lmtp_assume_final'),
    deadline: config.bool(pick('per_request_deadline')),
    pix: {
      words: config.str(pick('pix_workarounds')),
      threshold: config.time(pick('pix_workaround_threshold_time')),
      delay: config.time(pick('pix_workaround_delay_time')),
    },
    cacheDestinations: config.list(pick('connection_cache_destinations')),
    cacheOnDemand: config.bool(pick('connection_cache_on_demand')),
    cacheSeconds: config.time(pick('connection_cache_time_limit')),
    reuseSeconds: config.time(pick('connection_reuse_time_limit')),
    reuseCount: config.int(pick('connection_reuse_count_limit')),
    logTlsFeatures: config.bool(pick('log_tls_feature_status')),
    tlsWrapper: config.bool(pick('tls_wrappermode')),
    minimalBackoff: config.time('minimal_backoff_time'),
    saslEnabled: config.bool(pick('sasl_auth_enable')),
    senderDependentAuth: config.bool(pick('sender_dependent_authentication')),
    headerBytesMax: config.int('header_size_limit'),
    nestingMax: config.int('mime_nesting_limit'),
    boundaryBytesMax: config.int('mime_boundary_length_limit'),
  }
}

function stageTimes(config: Config, lmtp: boolean, helo: number): StageTimes {
  const pick = parameterNames(lmtp)
  const xforward = config.time(pick('xforward_timeout'))
  return {
    greeting: helo, ehlo: helo, helo, lhlo: helo, auth: helo,
    starttls: config.time(pick('starttls_timeout')),
    xforwardAddress: xforward,
    xforwardHelo: xforward,
    mail: config.time(pick('mail_timeout')),
    rcpt: config.time(pick('rcpt_timeout')),
    data: config.time(pick('data_init_timeout')),
    body: config.time(pick('data_xfer_timeout')),
    dot: config.time(pick('data_done_timeout')),
    abort: config.time(pick('rset_timeout')),
    quit: config.time(pick('quit_timeout')),
  }
}

/** smtp_dns_support_level; empty: as disable_dns_lookups says. */
function dnsSupport(value: string, config: Config): 'disabled' | 'enabled' | 'dnssec' {
  const level = value.toLowerCase()
  if (level === 'disabled' || level === 'dnssec' || level === 'enabled') return level
  return config.bool('disable_dns_lookups') ? 'disabled' : 'enabled'
}

function hostLookup(words: readonly string[]): HostLookup {
  const wanted = words.map((word) => word.toLowerCase())
  return (['dns', 'native'] as const).filter((method) => wanted.includes(method))
}

function resolverOptions(words: readonly string[]): Settings['resolverOptions'] {
  return { defaultDomain: words.includes('res_defnames'), search: words.includes('res_dnsrch') }
}

function familyPreference(word: string): FamilyPreference {
  const wanted = word.toLowerCase()
  return wanted === 'ipv4' || wanted === 'ipv6' ? wanted : 'any'
}

function families(protocols: string): (4 | 6)[] {
  const words = splitAtChars(protocols.toLowerCase())
  const all = words.includes('all')
  const has = (word: string): boolean => all || words.includes(word)
  return [...(has('ipv4') ? [4 as const] : []), ...(has('ipv6') ? [6 as const] : [])]
}

function interfaceAddresses(config: Config): LocalAddress[] {
  const interfaces = config.str('inet_interfaces')
  return ownAddresses(thisMachine, { interfaces, protocols: config.str('inet_protocols') })
}

/** A virtual host sends from the address on which it receives. */
function onlyAddress(config: Config, family: 4 | 6): string {
  const [only, second] = interfaceAddresses(config).filter((own) => own.family === family)
  return only === undefined || second !== undefined || only.loopback ? '' : only.address
}

/** Addresses where mail for this machine arrives: its own, and those of proxies before it. */
function ownAddressSet(config: Config): Set<string> {
  const own = interfaceAddresses(config)
  const proxies = config.list('proxy_interfaces').map(unbracket)
  return new Set([...own.map(({ address }) => address), ...proxies].map(canonicalAddress))
}

function unbracket(address: string): string {
  return address.replace(/^\[(?:ipv6:)?(.*)\]$/i, '$1')
}
