/**
 * One question to one name server, over UDP, or over TCP when the answer does not fit.
 *
 * Every question has its own socket: a fresh source port is half of the
 * protection against forged answers (RFC 5452), the random id the other half.
 * The UDP socket is connected, so that the kernel drops other senders and
 * reports a port that nobody listens on at once.
 */
import { createSocket } from 'node:dgram'
import { connect, isIPv6 } from 'node:net'
import { decodeAnswer, encodeQuery, type Decoded, type Query } from './message.ts'
import type { ServerAddress } from './resolv-conf.ts'

/** An answer, or why there is none from this server. */
export type Exchange = Extract<Decoded, { kind: 'answer' | 'malformed' }> | { readonly kind: 'unreachable' | 'timeout' }

/** Asks `server` over UDP, then over TCP if the answer is cut short. Never rejects. */
export async function exchange(
  server: ServerAddress, query: Query, timeoutMs: number, tcpOnly: boolean,
): Promise<Exchange> {
  const bytes = encodeQuery(query)
  if (!tcpOnly) {
    const answer = await overUdp(server, query, bytes, timeoutMs)
    if (answer.kind !== 'truncated') return answer
  }
  const answer = await overTcp(server, query, bytes, timeoutMs)
  return answer.kind === 'truncated' ? { kind: 'malformed' } : answer
}

type Attempt = Exchange | { readonly kind: 'truncated' }

function overUdp(server: ServerAddress, query: Query, bytes: Buffer, timeoutMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4')
    const finish = (result: Attempt): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.close()
      resolve(result)
    }
    const timer = setTimeout(() => finish({ kind: 'timeout' }), timeoutMs)
    socket.on('error', () => finish({ kind: 'unreachable' }))
    socket.on('message', (message) => {
      const decoded = decodeAnswer(message, query)
      // A stray one may be a late answer or a forgery: the right one can still come.
      if (decoded.kind !== 'stray') finish(decoded)
    })
    socket.connect(server.port, server.address, () => socket.send(bytes))
  })
}

function overTcp(server: ServerAddress, query: Query, bytes: Buffer, timeoutMs: number): Promise<Attempt> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port })
    let received = Buffer.alloc(0)
    const finish = (result: Attempt): void => {
      clearTimeout(timer)
      socket.removeAllListeners()
      socket.on('error', () => undefined)
      socket.destroy()
      resolve(result)
    }
    const timer = setTimeout(() => finish({ kind: 'timeout' }), timeoutMs)
    socket.on('error', () => finish({ kind: 'unreachable' }))
    socket.on('close', () => finish({ kind: 'unreachable' }))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      // RFC 1035 §4.2.2: two octets of length first, so that a message is at most 65535 octets.
      const length = received.length < 2 ? undefined : received.readUInt16BE(0)
      if (length === undefined || received.length < 2 + length) return
      const decoded = decodeAnswer(received.subarray(2, 2 + length), query)
      finish(decoded.kind === 'stray' ? { kind: 'malformed' } : decoded)
    })
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(bytes.length)
    socket.write(Buffer.concat([prefix, bytes]))
  })
}
