/**
 * The header that a HAProxy in front of us sends before the client's bytes.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { parseProxyHeader, PROXY_HEADER_BYTES_MAX, type ProxyHeader } from '#network/proxy-protocol.ts'

/** What the proxy says: the client's addresses; `local`: it speaks for itself; or what is wrong. */
export type ReadHeader = Exclude<ProxyHeader, { readonly kind: 'more' }>

/** Reads the header and nothing after it. */
export function readProxyHeader(socket: Socket, timeoutMs: number): Promise<ReadHeader> {
  return new Promise((resolve) => {
    let held: Buffer = Buffer.alloc(0)
    const finish = (result: ReadHeader): void => {
      clearTimeout(timer)
      socket.off('readable', onReadable)
      socket.off('end', onEnd)
      socket.off('close', onEnd)
      resolve(result)
    }
    const onEnd = (): void => finish({ kind: 'error', reason: 'EOF' })
    const onReadable = (): void => {
      for (let chunk: unknown = socket.read(); Buffer.isBuffer(chunk); chunk = socket.read()) {
        held = Buffer.concat([held, chunk])
        const header = parseProxyHeader(held)
        if (header.kind === 'more') {
          if (held.length < PROXY_HEADER_BYTES_MAX) continue
          return finish({ kind: 'error', reason: 'unrecognized protocol header' })
        }
        const rest = header.kind === 'error' ? undefined : held.subarray(header.length)
        finish(header)
        if (rest !== undefined && rest.length > 0) socket.unshift(rest)
        return undefined
      }
      return undefined
    }
    const timer = setTimeout(() => finish({ kind: 'error', reason: 'timeout error' }), timeoutMs)
    socket.on('readable', onReadable)
    socket.on('end', onEnd)
    socket.on('close', onEnd)
  })
}
