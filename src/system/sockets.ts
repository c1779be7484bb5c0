/**
 * Sockets as plain descriptors: listeners that nobody accepts from yet, UNIX
 * datagrams, and descriptors that travel over a UNIX socket.
 *
 * node:net listens and accepts in one step, and knows no UNIX datagrams. The
 * master must bind a port without taking clients from it, and hand it on.
 *
 * Structures are laid out for 64-bit Linux.
 *
 * @module
 */
import { closeSync } from 'node:fs'
import { isIPv6, isIP } from 'node:net'
import { checked, clib, ffi, systemError } from './ffi.ts'
import { isErrno } from './errno.ts'

const AF_UNIX = 1
const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM = 1
const SOCK_DGRAM = 2
const SOCK_NONBLOCK = 0o4000
const SOCK_CLOEXEC = 0o2000000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_SNDTIMEO = 21
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const MSG_DONTWAIT = 0x40
const MSG_NOSIGNAL = 0x4000
const MSG_CMSG_CLOEXEC = 0x40000000
const SCM_RIGHTS = 1

/** sockaddr_un: u16 family, 108 bytes of path with its NUL. */
const UNIX_PATH_BYTES_MAX = 107
/** struct cmsghdr (u64 length, i32 level, i32 type) with one descriptor, padded to 8. */
const CMSG_BYTES = 24
const CMSG_LENGTH = 20
/** struct msghdr. */
const MSGHDR_BYTES = 56

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

function unixAddress(path: string): Buffer {
  const bytes = Buffer.from(path)
  if (bytes.length > UNIX_PATH_BYTES_MAX) throw new RangeError(`Cannot use socket "${path}" as its name is too long`)
  const address = Buffer.alloc(bytes.length + 3)
  address.writeUInt16LE(AF_UNIX)
  bytes.copy(address, 2)
  return address
}

function inet4Bytes(host: string): number[] {
  return host.split('.').map(Number)
}

/** The 16-bit words of a part of an IPv6 address. */
function inet6Words(text: string): number[] {
  return text === '' ? [] : text.split(':').map((word) => Number.parseInt(word, 16))
}

/** The 16 bytes of an IPv6 address in text, `::` and a trailing IPv4 part included. */
function inet6Bytes(host: string): Uint8Array {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(host)
  const tail = dotted === null ? [] : dotted.slice(2).map(Number)
  const plain = dotted === null
    ? host
    : `${dotted[1]}${((tail[0] ?? 0) * 256 + (tail[1] ?? 0)).toString(16)}:${((tail[2] ?? 0) * 256 + (tail[3] ?? 0)).toString(16)}`
  const [left = '', right] = plain.split('::')
  const head = inet6Words(left)
  const rest = right === undefined ? [] : inet6Words(right)
  const words = [...head, ...Array.from({ length: Math.max(0, 8 - head.length - rest.length) }, () => 0), ...rest]
  return Uint8Array.from(words.slice(0, 8).flatMap((word) => [word >> 8, word & 0xff]))
}

function inetAddress(host: string, port: number): Buffer {
  const address = Buffer.alloc(isIPv6(host) ? 28 : 16)
  address.writeUInt16LE(isIPv6(host) ? AF_INET6 : AF_INET)
  address.writeUInt16BE(port, 2)
  if (isIPv6(host)) address.set(inet6Bytes(host), 8)
  else address.set(inet4Bytes(host), 4)
  return address
}

function openSocket(family: number, type: number): number {
  return checked(clib().socket(family, type | SOCK_CLOEXEC, 0), 'socket')
}

function setOption(fd: number, level: number, option: number, value: Buffer): void {
  checked(clib().setsockopt(fd, level, option, value, value.length), 'setsockopt')
}

/** Runs `setup` on a new descriptor, and closes it again when that throws. */
function prepared(fd: number, setup: (fd: number) => void): number {
  try {
    setup(fd)
    return fd
  } catch (error) {
    closeSync(fd)
    throw error
  }
}

/**
 * A TCP listener. An IPv6 socket takes no IPv4 clients, so that both can have
 * the same port.
 *
 * @param host An address in text, without brackets.
 * @param backlog How many clients the system keeps waiting.
 * @throws {NodeJS.ErrnoException} `EADDRINUSE` and kin.
 */
export function listenInet(host: string, port: number, backlog: number): number {
  if (isIP(host) === 0) throw new TypeError(`Cannot listen on "${host}" as it is no IP address`)
  return prepared(openSocket(isIPv6(host) ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK), (fd) => {
    setOption(fd, SOL_SOCKET, SO_REUSEADDR, int32(1))
    if (isIPv6(host)) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, int32(1))
    const address = inetAddress(host, port)
    checked(clib().bind(fd, address, address.length), 'bind', `${host} port ${port}`)
    checked(clib().listen(fd, backlog), 'listen', `${host} port ${port}`)
  })
}

/** A UNIX stream listener. The name must be free: remove an old socket first. */
export function listenUnix(path: string, backlog: number): number {
  return prepared(openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK), (fd) => {
    const address = unixAddress(path)
    checked(clib().bind(fd, address, address.length), 'bind', path)
    checked(clib().listen(fd, backlog), 'listen', path)
  })
}

/** Changes how many clients the system keeps waiting on a listener. */
export function setBacklog(fd: number, backlog: number): void {
  checked(clib().listen(fd, backlog), 'listen')
}

/** A UNIX datagram socket with a name, to receive from. The name must be free. */
export function bindDatagram(path: string): number {
  return prepared(openSocket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK), (fd) => {
    const address = unixAddress(path)
    checked(clib().bind(fd, address, address.length), 'bind', path)
  })
}

/**
 * A UNIX datagram socket that sends to `path`. Sending waits while the
 * receiver's buffer is full, at most `timeoutMs`.
 */
export function connectDatagram(path: string, timeoutMs: number): number {
  return prepared(openSocket(AF_UNIX, SOCK_DGRAM), (fd) => {
    const timeval = Buffer.alloc(16)
    timeval.writeBigInt64LE(BigInt(Math.trunc(timeoutMs / 1000)))
    timeval.writeBigInt64LE(BigInt((timeoutMs % 1000) * 1000), 8)
    setOption(fd, SOL_SOCKET, SO_SNDTIMEO, timeval)
    const address = unixAddress(path)
    checked(clib().connect(fd, address, address.length), 'connect', path)
  })
}

/** A UNIX stream socket connected to `path`. `EAGAIN` when its backlog is full. */
export function connectUnix(path: string): number {
  return prepared(openSocket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK), (fd) => {
    const address = unixAddress(path)
    checked(clib().connect(fd, address, address.length), 'connect', path)
  })
}

/** The next client of a listener, or `undefined` when none waits. */
export function acceptClient(fd: number): number | undefined {
  const client = clib().accept4(fd, null, null, SOCK_NONBLOCK | SOCK_CLOEXEC)
  if (client !== -1) return client
  const error = systemError('accept')
  if (['EAGAIN', 'EINTR', 'ECONNABORTED'].some((code) => isErrno(error, code))) return undefined
  throw error
}

/** Sends one datagram, or some bytes, to where the socket is connected. `ECONNREFUSED` when the receiver is gone. */
export function sendDatagram(fd: number, bytes: Buffer): void {
  if (clib().send(fd, bytes, BigInt(bytes.length), MSG_NOSIGNAL) === -1n) throw systemError('send')
}

/** The next datagram, at most `bytesMax` of it, or `undefined` when none waits. */
export function recvDatagram(fd: number, bytesMax: number): Buffer | undefined {
  const bytes = Buffer.alloc(bytesMax)
  const length = clib().recv(fd, bytes, BigInt(bytesMax), MSG_DONTWAIT)
  if (length >= 0n) return bytes.subarray(0, Number(length))
  const error = systemError('recv')
  if (isErrno(error, 'EAGAIN') || isErrno(error, 'EINTR')) return undefined
  throw error
}

/** Two connected UNIX stream sockets. */
export function socketpair(): [number, number] {
  const fds = Buffer.alloc(8)
  checked(clib().socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 'socketpair')
  return [fds.readInt32LE(0), fds.readInt32LE(4)]
}

function pointerTo(bytes: Buffer): bigint {
  return ffi().getRawPointer(bytes)
}

/** A msghdr with one byte of data and room for one descriptor. It points to `parts`, which must outlive the call. */
function messageHeader(control: Buffer): { header: Buffer; parts: readonly Buffer[] } {
  const data = Buffer.alloc(1)
  const vector = Buffer.alloc(16)
  vector.writeBigUInt64LE(pointerTo(data), 0)
  vector.writeBigUInt64LE(BigInt(data.length), 8)
  const header = Buffer.alloc(MSGHDR_BYTES)
  header.writeBigUInt64LE(pointerTo(vector), 16)
  header.writeBigUInt64LE(1n, 24)
  header.writeBigUInt64LE(pointerTo(control), 32)
  header.writeBigUInt64LE(BigInt(control.length), 40)
  return { header, parts: [data, vector, control] }
}

/** Sends a copy of descriptor `passed` over a connected UNIX socket, with one NUL byte to carry it. */
export function sendDescriptor(fd: number, passed: number): void {
  const control = Buffer.alloc(CMSG_BYTES)
  control.writeBigUInt64LE(BigInt(CMSG_LENGTH), 0)
  control.writeInt32LE(SOL_SOCKET, 8)
  control.writeInt32LE(SCM_RIGHTS, 12)
  control.writeInt32LE(passed, 16)
  const { header, parts } = messageHeader(control)
  const sent = clib().sendmsg(fd, header, MSG_NOSIGNAL)
  if (sent === -1n) throw systemError('sendmsg')
  if (parts.length === 0 || sent !== 1n) throw new Error('Cannot pass a descriptor as the socket took nothing')
}

/**
 * A descriptor that the peer sent: `undefined` while nothing has come.
 *
 * @throws {Error} When the peer closed, or sent bytes without a descriptor.
 */
export function recvDescriptor(fd: number): number | undefined {
  const control = Buffer.alloc(CMSG_BYTES)
  const { header, parts } = messageHeader(control)
  const received = clib().recvmsg(fd, header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
  if (received === -1n) {
    const error = systemError('recvmsg')
    if (isErrno(error, 'EAGAIN') || isErrno(error, 'EINTR')) return undefined
    throw error
  }
  const passed = header.readBigUInt64LE(40) >= BigInt(CMSG_LENGTH) && control.readInt32LE(12) === SCM_RIGHTS
  if (parts.length === 0 || received === 0n || !passed) throw new Error('Cannot take a descriptor as the peer sent none')
  return control.readInt32LE(16)
}

/** The TCP port of a service name (`smtp`: 25), or `undefined`. */
export function servicePort(name: string): number | undefined {
  const entry = clib().getservbyname(name, 'tcp')
  if (entry === 0n) return undefined
  // struct servent: name, aliases, i32 port in network order.
  const port = ffi().getInt32(entry, 16)
  return ((port & 0xff) << 8) | ((port >> 8) & 0xff)
}
