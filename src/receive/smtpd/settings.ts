/**
 * The parameters of one smtpd service, read once, so that no session looks a name up.
 *
 * Under stress (all client places taken) parameters have other values: one
 * process holds both sets and gives each session the one of its time.
 *
 * Source: postconf(5).
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { faultsToReport } from '#service/error-notice.ts'
import { asciiLower } from '#util/ascii.ts'
import type { BareNewlineAction } from './data.ts'
import { discardMask } from './keywords.ts'
import { readMilters } from './milter-settings.ts'

/** smtpd_tls_security_level, with the older smtpd_use_tls and smtpd_enforce_tls counted in. */
export type TlsLevel = 'none' | 'may' | 'encrypt'

/** smtpd_forbid_bare_newline: what is done, and whether bare newlines are noted in the log. */
export type BareNewlinePolicy = { readonly action: BareNewlineAction; readonly note: boolean }

/** What sessions need to know. Times are in seconds, sizes in bytes; 0 means no limit where Postfix has it so. */
export type Settings = ReturnType<typeof smtpdSettings>

/**
 * Reads everything a session needs.
 *
 * @param serviceName As master.cf has it, for log lines.
 * @throws {ConfigError} At the first bad value.
 */
export function smtpdSettings(config: Config, serviceName: string) {
  return { serviceName, ...general(config), ...protocol(config), ...limits(config), ...tls(config), ...sasl(config) }
}

function general(config: Config) {
  return {
    config,
    myhostname: config.str('myhostname'),
    mailName: config.str('mail_name'),
    banner: config.str('smtpd_banner'),
    delayReject: config.bool('smtpd_delay_reject'),
    softBounce: config.bool('soft_bounce'),
    clientPortLogging: config.bool('smtpd_client_port_logging'),
    peernameLookup: config.bool('smtpd_peername_lookup'),
    contentFilter: config.str('content_filter'),
    overrides: config.list('receive_override_options'),
    proxyFilter: config.str('smtpd_proxy_filter'),
    milters: config.list('receive_override_options').includes('no_milters')
      ? undefined
      : readMilters(config.str('smtpd_milters'), config.str('milter_default_action')),
    upstreamProxy: config.str('smtpd_upstream_proxy_protocol'),
    upstreamProxySeconds: config.time('smtpd_upstream_proxy_timeout'),
    hideClientSession: config.bool('smtpd_hide_client_session'),
    internalAddresses: config.str('info_log_address_format') === 'internal',
    /** Log lines and behaviours of Postfix 3.7 for old readers of the log. */
    oldLog: config.str('maillog_compatibility') === '3.7',
    reportedFaults: faultsToReport(config),
    historyLines: config.int('smtpd_history_flush_threshold'),
    queueService: `public/${config.str('queue_service_name')}`,
  }
}

function protocol(config: Config) {
  return {
    heloRequired: config.bool('smtpd_helo_required'),
    strictAddresses: config.bool('strict_rfc821_envelopes'),
    smtputf8: config.bool('smtputf8_enable'),
    autoUtf8: config.list('smtputf8_autodetect_classes').some((name) => name === 'all' || name === 'smtpd'),
    strictSmtputf8: config.bool('strict_smtputf8'),
    requireTls: config.bool('requiretls_enable'),
    disableVrfy: config.bool('disable_vrfy_command'),
    discardKeywords: discardMask(config.str('smtpd_discard_ehlo_keywords')),
    forbidUnauthorizedPipelining: config.bool('smtpd_forbid_unauth_pipelining'),
    bareNewline: bareNewlinePolicy(config.str('smtpd_forbid_bare_newline')),
    bareNewlineCode: config.int('smtpd_forbid_bare_newline_reject_code'),
    delayOpen: config.bool('smtpd_delay_open_until_valid_rcpt'),
    verpDelimiters: config.str('default_verp_delimiters'),
    verpFilter: config.str('verp_delimiter_filter'),
  }
}

function limits(config: Config) {
  return {
    lineBytesMax: config.int('line_length_limit'),
    messageBytesMax: config.int('message_size_limit'),
    queueMinFree: config.int('queue_minfree'),
    recipientsMax: config.int('smtpd_recipient_limit'),
    recipientsOvershoot: config.int('smtpd_recipient_overshoot_limit'),
    softErrors: config.int('smtpd_soft_error_limit'),
    hardErrors: config.int('smtpd_hard_error_limit'),
    errorSleepSeconds: config.time('smtpd_error_sleep_time'),
    junkCommands: config.int('smtpd_junk_command_limit'),
    timeoutSeconds: config.time('smtpd_timeout'),
    perRequestDeadline: config.bool('smtpd_per_request_deadline'),
    minDataRate: config.int('smtpd_min_data_rate'),
    rates: {
      concurrency: config.int('smtpd_client_connection_count_limit'),
      connections: config.int('smtpd_client_connection_rate_limit'),
      messages: config.int('smtpd_client_message_rate_limit'),
      recipients: config.int('smtpd_client_recipient_rate_limit'),
      tlsSessions: config.int('smtpd_client_new_tls_session_rate_limit'),
      auths: config.int('smtpd_client_auth_rate_limit'),
      ipv4Prefix: config.int('smtpd_client_ipv4_prefix_length'),
      ipv6Prefix: config.int('smtpd_client_ipv6_prefix_length'),
    },
  }
}

function tls(config: Config) {
  const level = tlsLevel(config)
  return {
    tlsLevel: level,
    tlsWrapper: config.bool('smtpd_tls_wrappermode'),
    // Where TLS is required for mail, it is for passwords too. Source: postconf(5) smtpd_tls_security_level.
    tlsAuthOnly: config.bool('smtpd_tls_auth_only') || level === 'encrypt',
    tlsRequireCertificate: config.bool('smtpd_tls_req_ccert'),
    tlsAskCertificate: config.bool('smtpd_tls_ask_ccert'),
    tlsReceivedHeader: config.bool('smtpd_tls_received_header'),
    tlsFingerprintDigest: config.str('smtpd_tls_fingerprint_digest'),
    starttlsSeconds: config.time('smtpd_starttls_timeout'),
  }
}

function sasl(config: Config) {
  return {
    saslEnabled: config.bool('smtpd_sasl_auth_enable'),
    saslAuthenticatedHeader: config.bool('smtpd_sasl_authenticated_header'),
    saslResponseMax: config.int('smtpd_sasl_response_limit'),
    brokenSaslClients: config.bool('broken_sasl_auth_clients'),
    saslOptions: config.list('smtpd_sasl_security_options'),
    saslTlsOptions: config.list('smtpd_sasl_tls_security_options'),
  }
}

/** smtpd_tls_security_level decides; without it the older two do. */
function tlsLevel(config: Config): TlsLevel {
  const level = asciiLower(config.str('smtpd_tls_security_level'))
  if (level === 'none' || level === 'may' || level === 'encrypt') return level
  // Levels that mean something to a client only are taken as the strongest that a server has.
  if (level !== '') return 'encrypt'
  if (config.bool('smtpd_enforce_tls')) return 'encrypt'
  return config.bool('smtpd_use_tls') ? 'may' : 'none'
}

function bareNewlinePolicy(text: string): BareNewlinePolicy {
  switch (asciiLower(text)) {
    case 'no':
      return { action: 'accept', note: false }
    case 'note':
      return { action: 'normalize', note: true }
    case 'reject':
      return { action: 'reject', note: false }
    case 'yes':
    case 'normalize':
      return { action: 'normalize', note: false }
    default:
      throw new ConfigError('bad configuration: smtpd_forbid_bare_newline', [text])
  }
}
