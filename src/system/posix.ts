/**
 * Calls of the operating system that Node.js lacks: locks, descriptors, processes, passwords.
 *
 * All of them throw errors like those of node:fs, with `code` and `syscall`.
 * Sockets are in `sockets.ts`, users in `users.ts`.
 *
 * @module
 */
import { checked, clib, cryptLibrary, ffi, lastErrno, systemError } from './ffi.ts'
import { isErrno } from './errno.ts'

/** `shared`: many readers; `exclusive`: one writer; `unlock`: give it back. */
export type LockMode = 'shared' | 'exclusive' | 'unlock'

const FLOCK = { shared: 1, exclusive: 2, unlock: 8 } as const satisfies Record<LockMode, number>
const FLOCK_NONBLOCK = 4
const FCNTL_TYPE = { shared: 0, exclusive: 1, unlock: 2 } as const satisfies Record<LockMode, number>
const F_GETFD = 1
const F_SETFD = 2
const F_GETFL = 3
const F_SETFL = 4
const F_SETLK = 6
const F_SETLKW = 7
const F_SETOWN = 8
const O_ASYNC = 0o20000
const O_NONBLOCK = 0o4000
const WNOHANG = 1
const WEXITED = 4
const WNOWAIT = 0x1000000
const P_ALL = 0
const POLLIN = 1

/** struct flock: short type, short whence, 4 padding, i64 start, i64 length, i32 pid. */
const FLOCK_BYTES = 32
/** struct pollfd: i32 fd, i16 events, i16 revents. */
const POLLFD_BYTES = 8
const SIGINFO_BYTES = 128

/**
 * flock(2) on the open file of `fd`. Two descriptors opened apart compete, also in one process.
 *
 * @param wait Whether to wait for the lock. This blocks the process.
 * @returns `false` when the lock is taken and `wait` is not set.
 */
export function flock(fd: number, mode: LockMode, wait: boolean): boolean {
  while (clib().flock(fd, FLOCK[mode] | (wait ? 0 : FLOCK_NONBLOCK)) === -1) {
    const error = systemError('flock')
    if (isErrno(error, 'EINTR')) continue
    if (isErrno(error, 'EAGAIN')) return false
    throw error
  }
  return true
}

/**
 * fcntl(2) record lock on the whole file. It belongs to the process, and is
 * lost when the process closes any descriptor of the file.
 *
 * @returns `false` when the lock is taken and `wait` is not set.
 */
export function fcntlLock(fd: number, mode: LockMode, wait: boolean): boolean {
  const request = Buffer.alloc(FLOCK_BYTES)
  request.writeInt16LE(FCNTL_TYPE[mode], 0)
  while (clib().fcntl(fd, wait ? F_SETLKW : F_SETLK, request) === -1) {
    const error = systemError('fcntl')
    if (isErrno(error, 'EINTR')) continue
    if (isErrno(error, 'EAGAIN') || isErrno(error, 'EACCES')) return false
    throw error
  }
  return true
}

/** A second descriptor for the open file of `fd`, closed on exec. */
export function dup(fd: number): number {
  const copy = checked(clib().dup(fd), 'dup')
  setCloseOnExec(copy, true)
  return copy
}

/** Whether a program started from here loses the descriptor. */
export function setCloseOnExec(fd: number, close: boolean): void {
  const flags = checked(clib().fcntl(fd, F_GETFD, 0n), 'fcntl')
  checked(clib().fcntl(fd, F_SETFD, BigInt(close ? flags | 1 : flags & ~1)), 'fcntl')
}

/** Whether reads and writes fail with EAGAIN in place of waiting. Shared by all copies of the descriptor. */
export function setNonBlocking(fd: number, on: boolean): void {
  const flags = checked(clib().fcntl(fd, F_GETFL, 0n), 'fcntl')
  checked(clib().fcntl(fd, F_SETFL, BigInt(on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK)), 'fcntl')
}

/**
 * Whether this process gets SIGIO when the socket or pipe becomes readable.
 * The flag is shared by all copies of the descriptor, in other processes too.
 */
export function setSignalDriven(fd: number, on: boolean): void {
  if (on) checked(clib().fcntl(fd, F_SETOWN, BigInt(process.pid)), 'fcntl')
  const flags = checked(clib().fcntl(fd, F_GETFL, 0n), 'fcntl')
  checked(clib().fcntl(fd, F_SETFL, BigInt(on ? flags | O_ASYNC : flags & ~O_ASYNC)), 'fcntl')
}

/**
 * Which of these descriptors can be read, or accepted from, without waiting.
 *
 * @param timeoutMs How long to wait for the first one; 0 looks only. Blocks the process.
 */
export function readable(fds: readonly number[], timeoutMs = 0): number[] {
  const request = Buffer.alloc(fds.length * POLLFD_BYTES)
  fds.forEach((fd, i) => {
    request.writeInt32LE(fd, i * POLLFD_BYTES)
    request.writeInt16LE(POLLIN, i * POLLFD_BYTES + 4)
  })
  const count = clib().poll(request, BigInt(fds.length), timeoutMs)
  if (count === -1) {
    const error = systemError('poll')
    if (isErrno(error, 'EINTR')) return []
    throw error
  }
  return fds.filter((_, i) => request.readInt16LE(i * POLLFD_BYTES + 6) !== 0)
}

/** Makes `path` the root directory of this process. Root only; change directory afterwards. */
export function chroot(path: string): void {
  checked(clib().chroot(path), 'chroot', path)
}

/** Makes this process the leader of a new session; a process that leads its group already stays as it is. */
export function setsid(): void {
  if (clib().setsid() === -1 && lastErrno() !== 1 /* EPERM: leads a group already */) throw systemError('setsid')
}

/** Creates a named pipe. */
export function mkfifo(path: string, mode: number): void {
  checked(clib().mkfifo(path, mode), 'mkfifo', path)
}

/** A child that ended: with an exit status, or by a signal number. */
export type Ended = { readonly pid: number; readonly status: number | undefined; readonly signal: number | undefined }

/**
 * Collects one ended child without waiting, or `undefined` when none ended.
 *
 * @param pid A process that Node.js does not know; -1 would steal the children of node:child_process.
 */
export function reap(pid: number): Ended | undefined {
  const status = Buffer.alloc(4)
  const ended = clib().waitpid(pid, status, WNOHANG)
  if (ended <= 0) return undefined
  const word = status.readInt32LE(0)
  const signal = word & 0x7f
  return signal === 0 ? { pid: ended, status: (word >> 8) & 0xff, signal: undefined } : { pid: ended, status: undefined, signal }
}

/** A child that has ended and waits to be collected, without collecting it. `undefined`: none. */
export function endedChild(): number | undefined {
  const information = Buffer.alloc(SIGINFO_BYTES)
  if (clib().waitid(P_ALL, 0, information, WEXITED | WNOHANG | WNOWAIT) === -1) return undefined
  // siginfo: i32 signal, errno, code, padding, then i32 pid.
  const pid = information.readInt32LE(16)
  return pid === 0 ? undefined : pid
}

/**
 * crypt(3): the hash of `key` with the method and salt in `setting`.
 *
 * @returns `undefined` for a setting that the system does not know.
 */
export function crypt(key: string, setting: string): string | undefined {
  const result = ffi().toString(cryptLibrary().crypt(key, setting))
  return result === null || result.startsWith('*') ? undefined : result
}
