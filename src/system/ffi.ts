/**
 * The C library, by node:ffi: the one place that knows how its functions are called.
 *
 * Node.js has no locks, no chroot, no UNIX datagrams and no way to listen without
 * accepting. `posix.ts`, `sockets.ts` and `users.ts` give these calls types and
 * errors; nobody else calls in here. Structures are laid out for 64-bit Linux.
 *
 * The library is loaded at the first call, so that programs that need none of
 * this do not pay for it.
 *
 * @module
 */
import { constants } from 'node:os'

/** Where glibc and musl keep the errno of a thread. */
const ERRNO_LOCATION = '__errno_location'

const DEFINITIONS = {
  [ERRNO_LOCATION]: { arguments: [], return: 'pointer' },
  strerror: { arguments: ['i32'], return: 'pointer' },
  flock: { arguments: ['i32', 'i32'], return: 'i32' },
  fcntl: { arguments: ['i32', 'i32', 'pointer'], return: 'i32' },
  dup: { arguments: ['i32'], return: 'i32' },
  poll: { arguments: ['buffer', 'u64', 'i32'], return: 'i32' },
  chroot: { arguments: ['string'], return: 'i32' },
  setsid: { arguments: [], return: 'i32' },
  waitpid: { arguments: ['i32', 'buffer', 'i32'], return: 'i32' },
  mkfifo: { arguments: ['string', 'u32'], return: 'i32' },
  socket: { arguments: ['i32', 'i32', 'i32'], return: 'i32' },
  socketpair: { arguments: ['i32', 'i32', 'i32', 'buffer'], return: 'i32' },
  setsockopt: { arguments: ['i32', 'i32', 'i32', 'buffer', 'u32'], return: 'i32' },
  bind: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  listen: { arguments: ['i32', 'i32'], return: 'i32' },
  accept4: { arguments: ['i32', 'pointer', 'pointer', 'i32'], return: 'i32' },
  connect: { arguments: ['i32', 'buffer', 'u32'], return: 'i32' },
  send: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
  recv: { arguments: ['i32', 'buffer', 'u64', 'i32'], return: 'i64' },
  sendmsg: { arguments: ['i32', 'buffer', 'i32'], return: 'i64' },
  recvmsg: { arguments: ['i32', 'buffer', 'i32'], return: 'i64' },
  initgroups: { arguments: ['string', 'u32'], return: 'i32' },
  getpwnam: { arguments: ['string'], return: 'pointer' },
  getpwuid: { arguments: ['u32'], return: 'pointer' },
  getgrnam: { arguments: ['string'], return: 'pointer' },
  getservbyname: { arguments: ['string', 'string'], return: 'pointer' },
  waitid: { arguments: ['i32', 'u32', 'buffer', 'i32'], return: 'i32' },
  getgrgid: { arguments: ['u32'], return: 'pointer' },
  setfsuid: { arguments: ['u32'], return: 'i32' },
  setfsgid: { arguments: ['u32'], return: 'i32' },
} as const

type Ffi = typeof import('node:ffi')
type Libc = ReturnType<typeof import('node:ffi').dlopen<typeof DEFINITIONS>>['functions']

const CRYPT_DEFINITIONS = { crypt: { arguments: ['string', 'string'], return: 'pointer' } } as const

/** The definitions of glibc and of other systems' crypt library, by preference. */
const CRYPT_LIBRARIES = ['libcrypt.so.1', 'libcrypt.so.2', 'libcrypt.so']

let loaded: Ffi | undefined
let libc: Libc | undefined
let libcrypt: ReturnType<typeof loadCrypt> | undefined

/**
 * The module node:ffi, without the warning that it is experimental: an admin
 * cannot act on that warning, and it would spoil the output of the commands.
 *
 * @throws {Error} On a platform other than Linux, or a Node.js without it.
 */
export function ffi(): Ffi {
  if (loaded !== undefined) return loaded
  if (process.platform !== 'linux') throw new Error(`Cannot call the C library as ${process.platform} is not Linux`)
  const emitWarning = process.emitWarning.bind(process)
  process.emitWarning = () => undefined
  try {
    loaded = process.getBuiltinModule('node:ffi')
  } finally {
    process.emitWarning = emitWarning
  }
  if (loaded === undefined) throw new Error(`Cannot call the C library as Node.js ${process.version} has no node:ffi`)
  return loaded
}

/** Each function is looked up when it is first used: a command needs two or three, and all take longer than its work. */
function loadLibc(): Libc {
  // A look-up changes errno, and so the one that reads errno must not wait for its first use.
  const { lib, functions } = ffi().dlopen(null, { [ERRNO_LOCATION]: DEFINITIONS[ERRNO_LOCATION] })
  for (const [name, definition] of Object.entries(DEFINITIONS)) {
    if (name === ERRNO_LOCATION) continue
    const get = (): unknown => {
      const found = lib.getFunction(name, definition)
      Object.defineProperty(functions, name, { value: found })
      return found
    }
    Object.defineProperty(functions, name, { get, configurable: true })
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the loop has given it all of them
  return functions as Libc
}

function loadCrypt() {
  for (const path of CRYPT_LIBRARIES) {
    try {
      return ffi().dlopen(path, CRYPT_DEFINITIONS).functions
    } catch {
      continue
    }
  }
  throw new Error(`Cannot check passwords of crypt(3) as none of ${CRYPT_LIBRARIES.join(', ')} can be loaded`)
}

/** The functions of the C library, see `DEFINITIONS`. */
export function clib(): Libc {
  libc ??= loadLibc()
  return libc
}

/** crypt(3): its library is apart from the C library. */
export function cryptLibrary(): ReturnType<typeof loadCrypt> {
  libcrypt ??= loadCrypt()
  return libcrypt
}

/** The errno of the call just made. Nothing may run between the call and this. */
export function lastErrno(): number {
  return ffi().getInt32(clib()[ERRNO_LOCATION]())
}

/** The words of strerror(3) for an errno number: `No such file or directory`. */
export function strerror(errno: number): string {
  return ffi().toString(clib().strerror(errno)) ?? `Unknown error ${errno}`
}

/** Of two names for one number the one that node:fs uses: EAGAIN, not EWOULDBLOCK. */
const NAMES = new Map(Object.entries(constants.errno).toReversed().map(([name, number]) => [number, name]))

/** An error like those of node:fs, for the errno of the call just made. */
export function systemError(syscall: string, detail = ''): NodeJS.ErrnoException {
  const errno = lastErrno()
  const code = NAMES.get(errno) ?? 'UNKNOWN'
  const error: NodeJS.ErrnoException = new Error(`${code}: ${strerror(errno)}, ${syscall}${detail === '' ? '' : ` ${detail}`}`)
  error.code = code
  error.errno = -errno
  error.syscall = syscall
  return error
}

/**
 * The result of a call that reports failure as -1.
 *
 * @throws {NodeJS.ErrnoException} When it did.
 */
export function checked(result: number, syscall: string, detail = ''): number {
  if (result === -1) throw systemError(syscall, detail)
  return result
}
