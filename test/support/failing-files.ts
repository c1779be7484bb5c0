/** File systems that fail at one call. */
import { nodeFileSystem, substituteFiles, type FileSystem } from '#system/files.ts'

/** An error as node:fs gives it. */
export function errnoError(code: string): NodeJS.ErrnoException {
  const error: NodeJS.ErrnoException = new Error(`${code}: made by the test`)
  error.code = code
  return error
}

/** How often each call was made. */
export type CallCounts = Map<keyof FileSystem, number>

/**
 * The real file system, whose `nth` call of `name` fails with `code`; the others work.
 * `counts` tells about all calls.
 */
export function failAt(name: keyof FileSystem, code: string, nth = 1): Disposable & { readonly counts: CallCounts } {
  const counts: CallCounts = new Map()
  const substitute: FileSystem = new Proxy(nodeFileSystem, {
    get(target, key: keyof FileSystem) {
      const call = target[key]
      return (...args: unknown[]): unknown => {
        const count = (counts.get(key) ?? 0) + 1
        counts.set(key, count)
        if (key !== name || count !== nth) return Reflect.apply(call, target, args)
        if (key === 'fsync' || key === 'fdatasync' || key === 'freeBytes') return Promise.reject(errnoError(code))
        throw errnoError(code)
      }
    },
  })
  const undo = substituteFiles(substitute)
  return { counts, [Symbol.dispose]: () => undo[Symbol.dispose]() }
}

/** The real file system with its calls counted. */
export function countCalls(): Disposable & { readonly counts: CallCounts } {
  return failAt('open', 'EIO', Infinity)
}
