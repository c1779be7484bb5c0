/**
 * The PROXY protocol, versions 1 and 2: who the client of a proxy is.
 *
 * Source: HAProxy, "The PROXY protocol", versions 1 and 2.
 *
 * @module
 */
import { isIPv4, isIPv6 } from 'node:net'

/** Both ends of the client's connection. */
export type ProxiedAddresses = {
  readonly clientAddress: string
  readonly clientPort: number
  readonly serverAddress: string
  readonly serverPort: number
}

/**
 * What the bytes so far say. `length` is that of the header. `local`: the proxy speaks for itself, as in health checks.
 * `more`: the header is not complete. `reason` is for the log.
 */
export type ProxyHeader =
  | { readonly kind: 'proxied'; readonly length: number; readonly addresses: ProxiedAddresses }
  | { readonly kind: 'local'; readonly length: number }
  | { readonly kind: 'more' }
  | { readonly kind: 'error'; readonly reason: string }

/** Version 1: a line of at most 107 bytes. Version 2: 16 bytes, and up to 520 of what we look at. */
export const PROXY_HEADER_BYTES_MAX = 536
const LINE_BYTES_MAX = 107

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1')
const SIGNATURE_V1 = Buffer.from('PROXY ')
const HEAD_BYTES = 16

const error = (reason: string): ProxyHeader => ({ kind: 'error', reason })

/** Reads a header at the start of `bytes`. */
export function parseProxyHeader(bytes: Buffer): ProxyHeader {
  const known = Math.min(bytes.length, SIGNATURE.length)
  if (SIGNATURE.subarray(0, known).equals(bytes.subarray(0, known))) {
    return known < SIGNATURE.length ? { kind: 'more' } : version2(bytes)
  }
  const start = Math.min(bytes.length, SIGNATURE_V1.length)
  if (SIGNATURE_V1.subarray(0, start).equals(bytes.subarray(0, start))) return version1(bytes)
  return error('unrecognized protocol header')
}

/** `PROXY TCP4 source destination source-port destination-port\r\n` */
function version1(bytes: Buffer): ProxyHeader {
  const lf = bytes.subarray(0, LINE_BYTES_MAX).indexOf(0x0a)
  if (lf < 0) return bytes.length < LINE_BYTES_MAX ? { kind: 'more' } : error('missing protocol header terminator')
  const words = bytes.subarray(0, lf).toString('latin1').trimEnd().split(' ')
  const [, type, clientAddress = '', serverAddress = '', clientPort, serverPort] = words
  const isAddress = type === 'TCP4' ? isIPv4 : type === 'TCP6' ? isIPv6 : undefined
  if (isAddress === undefined) return error('bad or missing protocol type')
  if (!isAddress(clientAddress)) return error('bad or missing client address')
  if (!isAddress(serverAddress)) return error('bad or missing server address')
  const [from, to] = [portOf(clientPort), portOf(serverPort)]
  if (from === undefined) return error('bad or missing client port')
  if (to === undefined) return error('bad or missing server port')
  return {
    kind: 'proxied', length: lf + 1, addresses: { clientAddress, serverAddress, clientPort: from, serverPort: to },
  }
}

function portOf(text: string | undefined): number | undefined {
  const port = Number(text)
  return text !== undefined && /^\d{1,5}$/.test(text) && port <= 65_535 ? port : undefined
}

function version2(bytes: Buffer): ProxyHeader {
  if (bytes.length < HEAD_BYTES) return { kind: 'more' }
  const version = bytes.readUInt8(12)
  const length = HEAD_BYTES + bytes.readUInt16BE(14)
  if (version >> 4 !== 2) return error('unrecognized protocol version')
  if (length > PROXY_HEADER_BYTES_MAX) return error('protocol header too long')
  if (bytes.length < length) return { kind: 'more' }
  if (version === 0x20) return { kind: 'local', length }
  if (version !== 0x21) return error('bad command in proxy header')
  const family = bytes.readUInt8(13)
  if (family === 0x11) return binaryAddresses(bytes, length, 4)
  if (family === 0x21) return binaryAddresses(bytes, length, 16)
  return error('unsupported network protocol')
}

function binaryAddresses(bytes: Buffer, length: number, size: 4 | 16): ProxyHeader {
  const ports = HEAD_BYTES + 2 * size
  if (length < ports + 4) return error('short protocol header')
  const address = (at: number): string => {
    const part = bytes.subarray(at, at + size)
    if (size === 4) return part.join('.')
    return Array.from({ length: 8 }, (_, i) => part.readUInt16BE(2 * i).toString(16)).join(':')
  }
  return {
    kind: 'proxied', length,
    addresses: {
      clientAddress: address(HEAD_BYTES), serverAddress: address(HEAD_BYTES + size),
      clientPort: bytes.readUInt16BE(ports), serverPort: bytes.readUInt16BE(ports + 2),
    },
  }
}
