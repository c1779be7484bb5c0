/**
 * A TLS session as headers, log lines and access rules name it.
 *
 * @module
 */
import { createHash, type X509Certificate } from 'node:crypto'
import type { TLSSocket } from 'node:tls'
import { cipherBits } from './protocols.ts'

/** Texts about a session. node:tls does not tell a server the key exchange: those texts are empty. */
export type TlsSummary = {
  /** `TLSv1.3` */
  readonly protocol: string
  /** OpenSSL's name. */
  readonly cipher: string
  readonly usedBits: number
  readonly algorithmBits: number
  readonly exchange: string
  readonly clientSignature: string
}

/** A client's certificate. */
export type PeerCertificate = {
  readonly trusted: boolean
  /** Common names; empty when absent. */
  readonly subject: string
  readonly issuer: string
  readonly fingerprint: string
  readonly publicKeyFingerprint: string
}

/** Protocol and cipher of a session after its handshake. */
export function tlsSummary(socket: TLSSocket): TlsSummary {
  const cipher = socket.getCipher()?.name ?? 'unknown'
  const { used, algorithm } = cipherBits(cipher)
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher,
    usedBits: used,
    algorithmBits: algorithm,
    exchange: '',
    clientSignature: '',
  }
}

/** The peer's certificate; undefined when it has presented none. @param digest smtpd_tls_fingerprint_digest */
export function peerCertificate(socket: TLSSocket, digest: string): PeerCertificate | undefined {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return undefined
  return {
    trusted: socket.authorized,
    subject: commonName(certificate.subject),
    issuer: commonName(certificate.issuer),
    fingerprint: fingerprint(certificate.raw, digest),
    publicKeyFingerprint: fingerprint(publicKey(certificate), digest),
  }
}

function publicKey(certificate: X509Certificate): Buffer {
  return certificate.publicKey.export({ type: 'spki', format: 'der' })
}

function fingerprint(bytes: Uint8Array, digest: string): string {
  const hex = createHash(digest).update(bytes).digest('hex').toUpperCase()
  return hex.match(/../g)?.join(':') ?? ''
}

/** The CN of a name as node:crypto prints it: one part a line. */
function commonName(name: string): string {
  return /^CN=(.*)$/m.exec(name)?.[1] ?? ''
}
