/**
 * TLS of servers: contexts from the parameters, and which certificate a name gets.
 *
 * Files are read once, when the service starts and still may: a reload makes new
 * workers, which read them anew.
 *
 * Source: TLS_README; postconf(5) smtpd_tls_*, tls_server_sni_maps; RFC 5077, RFC 8446 §2.2 (resumption by tickets).
 *
 * @module
 */
import { constants, createHash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'
import { authorities, contextKeys, keyChains, keyPair, splitChains, type Keys } from './tls/keys.ts'
import { cipherList, versionRange } from './tls/protocols.ts'

/** Of OpenSSL (SSL_MAX_SID_CTX_LENGTH). */
const SESSION_ID_CONTEXT_MAX = 32

/** What a server needs for its handshakes. */
export type ServerTls = {
  readonly context: SecureContext
  /** Ask clients for a certificate (smtpd_tls_ask_ccert, smtpd_tls_req_ccert). */
  readonly requestCertificate: boolean
  /** A context with the keys of a table's value: PEM files, or PEM text. @throws {Error} */
  contextFor(files: readonly string[]): SecureContext
  contextOfPem(pem: string): SecureContext
  /**
   * Makes session tickets with other keys from now on: 48 bytes. Tickets of the keys before are void. Until the first
   * call they are known to this process alone.
   */
  setTicketKeys(keys: Buffer): void
}

/** How strict: with `encrypt` the parameters for mandatory TLS count. */
export type ServerTlsLevel = 'may' | 'encrypt'

/** Opens TLS for a server; undefined, with the reason in the log, when there is no usable certificate. */
export function openServerTls(config: Config, level: ServerTlsLevel): ServerTls | undefined {
  try {
    const keys = serverKeys(config)
    if (keys.length === 0) {
      log.warning("No server certs available. TLS can't be enabled")
      return undefined
    }
    const options = contextOptions(config, level)
    const open = (own: readonly Keys[]): SecureContext => createSecureContext({ ...options, ...contextKeys(own) })
    const context = open(keys)
    return {
      context,
      requestCertificate: config.bool('smtpd_tls_ask_ccert') || config.bool('smtpd_tls_req_ccert'),
      contextFor: (files) => open([keyChains(files)]),
      contextOfPem: (pem) => open([splitChains(pem, 'table')]),
      // As tls.Server.setTicketKeys() does. Contexts of other names never see a ticket: the first one reads them all.
      setTicketKeys: (ticketKeys) => context.context.setTicketKeys(ticketKeys),
    }
  } catch (error) {
    log.warning(`${errnoText(error)}: disabling TLS support`)
    return undefined
  }
}

/** smtpd_tls_chain_files, or else a pair for each kind of key. `none` stands for no certificate. */
function serverKeys(config: Config): Keys[] {
  const chains = config.list('smtpd_tls_chain_files')
  if (chains.length > 0) return [keyChains(chains)]
  const pairs = [
    ['smtpd_tls_cert_file', 'smtpd_tls_key_file'],
    ['smtpd_tls_eccert_file', 'smtpd_tls_eckey_file'],
    ['smtpd_tls_dcert_file', 'smtpd_tls_dkey_file'],
  ] as const
  return pairs
    .map(([cert, key]) => [config.str(cert), config.str(key)] as const)
    .filter(([cert]) => cert !== '' && asciiLower(cert) !== 'none')
    .map(([cert, key]) => keyPair(cert, key))
}

function contextOptions(config: Config, level: ServerTlsLevel): SecureContextOptions {
  const mandatory = level === 'encrypt'
  const exclude = [
    ...config.list('smtpd_tls_exclude_ciphers'),
    ...(mandatory ? config.list('smtpd_tls_mandatory_exclude_ciphers') : []),
  ]
  const protocols = mandatory ? 'smtpd_tls_mandatory_protocols' : 'smtpd_tls_protocols'
  const grade = config.str(mandatory ? 'smtpd_tls_mandatory_ciphers' : 'smtpd_tls_ciphers')
  const ca = authorities(config.str('smtpd_tls_CAfile'), config.str('smtpd_tls_CApath'))
  return {
    ...versionRange(protocols, config.str(protocols)),
    ciphers: cipherList(config, grade, exclude),
    honorCipherOrder: config.bool('tls_preempt_cipherlist'),
    ecdhCurve: 'auto',
    ca,
    ...sessionOptions(config, ca),
  }
}

/** Sessions are resumed for so long, where no certificate would be judged otherwise: by the same service and authorities. */
function sessionOptions(config: Config, ca: readonly string[]): SecureContextOptions {
  const facts = [config.expand('$service_name'), config.bool('smtpd_tls_ask_ccert'), config.bool('smtpd_tls_req_ccert'), ...ca]
  const sessionIdContext = createHash('sha256').update(facts.join('\n')).digest('base64').slice(0, SESSION_ID_CONTEXT_MAX)
  const sessionTimeout = config.time('smtpd_tls_session_cache_timeout')
  return sessionTimeout > 0 ? { sessionIdContext, sessionTimeout } : { sessionIdContext, secureOptions: constants.SSL_OP_NO_TICKET }
}
