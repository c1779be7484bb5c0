/**
 * TLS of servers: contexts from the parameters, and which certificate a name gets.
 *
 * Files are read once, when the service starts and still may: a reload makes new
 * workers, which read them anew.
 *
 * Source: TLS_README; postconf(5) smtpd_tls_*, tls_server_sni_maps.
 *
 * @module
 */
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'
import { authorities, contextKeys, keyChains, keyPair, splitChains, type Keys } from './tls/keys.ts'
import { cipherList, versionRange } from './tls/protocols.ts'

/** What a server needs for its handshakes. */
export type ServerTls = {
  readonly context: SecureContext
  /** Ask clients for a certificate (smtpd_tls_ask_ccert, smtpd_tls_req_ccert). */
  readonly requestCertificate: boolean
  /** A context with the keys of a table's value: PEM files, or PEM text. @throws {Error} */
  contextFor(files: readonly string[]): SecureContext
  contextOfPem(pem: string): SecureContext
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
    return {
      context: open(keys),
      requestCertificate: config.bool('smtpd_tls_ask_ccert') || config.bool('smtpd_tls_req_ccert'),
      contextFor: (files) => open([keyChains(files)]),
      contextOfPem: (pem) => open([splitChains(pem, 'table')]),
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
    sessionIdContext: 'smtpd',
    ca,
  }
}
