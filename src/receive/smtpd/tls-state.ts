/**
 * What a session knows of its encryption, from the socket.
 *
 * @module
 */
import type { TLSSocket } from 'node:tls'
import { establishedLine } from '#network/tls/log-lines.ts'
import { peerCertificate, tlsSummary, type PeerCertificate } from '#network/tls/summary.ts'
import type { TlsState } from './ports.ts'
import { commentText } from './received.ts'
import type { Settings } from './settings.ts'

/** Reads the state of `socket` after its handshake. */
export function tlsStateOf(socket: TLSSocket, settings: Settings): TlsState {
  const asked = settings.tlsAskCertificate || settings.tlsRequireCertificate
  const certificate = asked ? peerCertificate(socket, settings.tlsFingerprintDigest) : undefined
  return {
    received: { ...tlsSummary(socket), certificate: certificateText(certificate, asked) }, certificate,
    resumed: socket.isSessionReused(),
  }
}

function certificateText(certificate: PeerCertificate | undefined, asked: boolean): string {
  if (!asked) return '(No client certificate requested)'
  if (certificate === undefined) return '(Client did not present a certificate)'
  const { subject, issuer, trusted } = certificate
  const verdict = trusted ? 'verified OK' : 'not verified'
  return `(Client CN "${commentText(subject)}", Issuer "${commentText(issuer)}" (${verdict}))`
}

/** The line about a new TLS session. */
export function establishedText(tls: TlsState, client: string, serverName: string | undefined): string {
  const { received, certificate } = tls
  const trust = certificate === undefined ? 'Anonymous' : certificate.trusted ? 'Trusted' : 'Untrusted'
  return establishedLine(trust, client, serverName, received)
}
