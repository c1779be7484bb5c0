/**
 * TLS towards one server: options of the handshake, and whether its certificate will do.
 *
 * The handshake itself never fails for the sake of a certificate: what the policy
 * asks for is checked afterwards, so that a refusal has the right words.
 *
 * Source: RFC 3207; RFC 6125 §6.4; smtp_tls_* in postconf(5).
 */
import type { KeyObject } from 'node:crypto'
import {
  checkServerIdentity, createSecureContext, rootCertificates, type ConnectionOptions, type TLSSocket,
} from 'node:tls'
import type { Config } from '#config/config.ts'
import { authorities, contextKeys, keyChains, keyPair, type Keys } from '#network/tls/keys.ts'
import { cipherList, versionRange } from '#network/tls/protocols.ts'
import { tlsSummary } from '#network/tls/summary.ts'
import { log } from '#system/log.ts'
import { parameterNames } from './parameter-name.ts'
import type { TlsPolicy } from './tls-policy.ts'

/** Options of handshakes: keys and certificates are read once, at the start. */
export type TlsContexts = { options(policy: TlsPolicy): ConnectionOptions }

/** Reads keys and certificates of one service. @throws {KeyFileError} When a file cannot be read. */
export function openTlsContexts(config: Config, lmtp: boolean): TlsContexts {
  const pick = parameterNames(lmtp)
  const keys = contextKeys(clientKeys(config, lmtp))
  const own = authorities(config.str(pick('tls_CAfile')), config.str(pick('tls_CApath')))
  const ca = config.bool('tls_append_default_CA') ? [...own, ...rootCertificates] : own
  const known = new Map<string, ConnectionOptions>()
  return {
    options: ({ level, protocols, ciphers, exclude }) => {
      // RFC 2246 §A.5, anonymous ciphers: not where a certificate is asked for; without encryption: never on demand.
      const also = level === 'may' ? [] : [level === 'encrypt' ? 'eNULL' : 'aNULL']
      const list = cipherList(config, ciphers, [...exclude, ...also])
      const key = `${protocols} ${list}`
      const before = known.get(key)
      if (before !== undefined) return before
      const secureContext = createSecureContext({ ...keys, ...versionRange('protocols', protocols), ca, ciphers: list })
      // node:tls would count a chain as not believed whose certificate has another name than the one asked for.
      const options = { secureContext, rejectUnauthorized: false, checkServerIdentity: () => undefined }
      known.set(key, options)
      return options
    },
  }
}

/** The client's own certificates: chain files, or a pair for each kind of key. */
function clientKeys(config: Config, lmtp: boolean): Keys[] {
  const pick = parameterNames(lmtp)
  const chains = config.list(pick('tls_chain_files'))
  if (chains.length > 0) return [keyChains(chains)]
  const pairs = [
    ['tls_cert_file', 'tls_key_file'], ['tls_eccert_file', 'tls_eckey_file'], ['tls_dcert_file', 'tls_dkey_file'],
  ] as const
  return pairs.map(([cert, key]) => [config.str(pick(cert)), config.str(pick(key))] as const)
    .filter(([cert]) => cert !== '').map(([cert, key]) => keyPair(cert, key))
}

/** How far the certificate of a server is to be believed. */
export type Trust = 'Anonymous' | 'Untrusted' | 'Trusted' | 'Verified'

/** Names that a policy's patterns stand for. */
export function matchNames(match: readonly string[], host: string, nexthop: string): string[] {
  return match.map((word) => {
    switch (word.toLowerCase()) {
      case 'hostname':
        return host
      case 'nexthop':
        return nexthop
      case 'dot-nexthop':
        return `.${nexthop}`
      default:
        return word
    }
  })
}

/** Judges the certificate of an established connection. `names` may hold `.suffix` patterns. */
export function trustOf(socket: TLSSocket, names: readonly string[]): Trust {
  const certificate = socket.getPeerCertificate()
  if (socket.getPeerX509Certificate() === undefined) return 'Anonymous'
  if (!socket.authorized) return 'Untrusted'
  const own = alternativeNames(certificate.subjectaltname)
  const matched = names.some((name) => (name.startsWith('.')
    ? own.some((each) => each.length > name.length && each.endsWith(name.toLowerCase()))
    : checkServerIdentity(name, certificate) === undefined))
  return matched ? 'Verified' : 'Trusted'
}

function alternativeNames(text: string | undefined): string[] {
  return (text ?? '').split(', ').filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4).toLowerCase())
}

/** OpenSSL's words for why a chain of certificates is not believed. */
const CHAIN_PROBLEMS: Readonly<Record<string, string>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed certificate',
  SELF_SIGNED_CERT_IN_CHAIN: 'self-signed certificate in certificate chain',
  UNABLE_TO_GET_ISSUER_CERT: 'unable to get issuer certificate',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unable to get local issuer certificate',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unable to verify the first certificate',
  CERT_HAS_EXPIRED: 'certificate has expired',
  CERT_NOT_YET_VALID: 'certificate is not yet valid',
}

/** The log line about a chain that had to be believed, and is not. */
export function logChainProblem(socket: TLSSocket, relay: string): void {
  const code = String(socket.authorizationError ?? '')
  if (code !== '') log.info(`certificate verification failed for ${relay}: ${CHAIN_PROBLEMS[code] ?? code}`)
}

/** The log line of smtp_tls_loglevel 1. node:tls does not tell the digest of the server's signature. */
export function logConnection(socket: TLSSocket, trust: Trust, relay: string): void {
  const { protocol, cipher, usedBits, algorithmBits } = tlsSummary(socket)
  const key = socket.getPeerX509Certificate()?.publicKey
  const details = [keyExchange(socket), key === undefined ? '' : signature(key, protocol)].filter(Boolean)
  log.info([
    `${trust} TLS connection established to ${relay}: ${protocol} with cipher ${cipher}`,
    `(${usedBits}/${algorithmBits} bits)`, ...details,
  ].join(' '))
}

function keyExchange(socket: TLSSocket): string {
  const info = socket.getEphemeralKeyInfo()
  if (info === null || !('type' in info)) return ''
  if (info.type === 'DH') return `key-exchange DHE (${info.size} bits)`
  const { name = '' } = info
  return name.startsWith('X') ? `key-exchange ${name}` : `key-exchange ECDHE (${name})`
}

/** TLS 1.3 has one algorithm per kind of key; before it the kind of key is all that is known here. */
function signature({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, protocol: string): string {
  if (asymmetricKeyType === 'rsa') {
    const bits = asymmetricKeyDetails?.modulusLength ?? 0
    return `server-signature ${protocol === 'TLSv1.3' ? 'RSA-PSS' : 'RSA'} (${bits} bits)`
  }
  if (asymmetricKeyType === 'ec') return `server-signature ECDSA (${asymmetricKeyDetails?.namedCurve ?? ''})`
  if (asymmetricKeyType === undefined) return ''
  return `server-signature ${asymmetricKeyType === 'ed25519' ? 'Ed25519' : asymmetricKeyType}`
}
