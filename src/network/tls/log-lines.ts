/**
 * What the log says of TLS sessions, in Postfix's words.
 *
 * @module
 */
import type { TlsSummary } from './summary.ts'

/** One line of the log. */
export type LogLine = { readonly level: 'info' | 'warning'; readonly text: string }

/** How far the peer's certificate goes: none, not trusted, issued by an authority we know. */
export type PeerTrust = 'Anonymous' | 'Untrusted' | 'Trusted'

/** `Anonymous TLS connection established from client[addr]: TLSv1.3 with cipher … (256/256 bits)`. */
export function establishedLine(
  trust: PeerTrust, client: string, serverName: string | undefined, tls: TlsSummary,
): string {
  const to = serverName === undefined || serverName === '' ? '' : ` to ${serverName}`
  const exchange = tls.exchange === '' ? '' : ` ${tls.exchange}`
  const signature = tls.clientSignature === '' ? '' : ` ${tls.clientSignature}`
  const cipher = `${tls.protocol} with cipher ${tls.cipher} (${tls.usedBits}/${tls.algorithmBits} bits)`
  return `${trust} TLS connection established from ${client}${to}: ${cipher}${exchange}${signature}`
}

/** What a failed handshake is worth: the reason, and OpenSSL's own words where it has some. */
export function handshakeProblems(error: Error, client: string): LogLine[] {
  const library = /error:([0-9A-F]+:[^\n]*)/.exec(error.message)?.[1]
  if (library !== undefined) {
    return [
      { level: 'info', text: `SSL_accept error from ${client}: -1` },
      { level: 'warning', text: `TLS library problem: error:${library}` },
    ]
  }
  const code = 'code' in error ? String(error.code) : ''
  return [{ level: 'info', text: `SSL_accept error from ${client}: ${WORDS.get(code) ?? timeoutWords(error)}` }]
}

const WORDS: ReadonlyMap<string, string> = new Map([
  ['ECONNRESET', 'Connection reset by peer'],
  ['EPIPE', 'Broken pipe'],
  ['ETIMEDOUT', 'Connection timed out'],
])

function timeoutWords(error: Error): string {
  return error.message === 'Connection timed out' ? error.message : 'lost connection'
}
