/** One question to one name server, over UDP, or over TCP when the answer does not fit. */
import { connect } from 'node:net'
import { decodeAnswer, encodeQuery, type Query } from './message.ts'
import type { ServerAddress } from './resolv-conf.ts'
import { askOverUdp, type UdpAnswer } from './udp.ts'

/** An answer, or why there is none from this server. */
export type Exchange = Exclude<UdpAnswer, { kind: 'truncated' }>

/** Asks `server` over UDP, then over TCP if the answer is cut short. Never rejects. */
export function exchange(
  server: ServerAddress, query: Query, timeoutMs: number, tcpOnly: boolean,
): Promise<Exchange> {
  const bytes = encodeQuery(query)
  if (tcpOnly) return overTcp(server, query, bytes, timeoutMs)
  return askOverUdp(server, query, bytes, timeoutMs).then((answer) => {
    return answer.kind === 'truncated' ? overTcp(server, query, bytes, timeoutMs) : answer
  })
}

function overTcp(server: ServerAddress, query: Query, bytes: Buffer, timeoutMs: number): Promise<Exchange> {
  return new Promise((resolve) => {
    const socket = connect({ host: server.address, port: server.port })
    let received = Buffer.alloc(0)
    const finish = (result: Exchange): void => {
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
      finish(decoded.kind === 'answer' ? decoded : { kind: 'malformed' })
    })
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(bytes.length)
    socket.write(Buffer.concat([prefix, bytes]))
  })
}
