/**
 * Errors of the operating system, as Node.js reports them and as a log reader expects them.
 *
 * @module
 */
import { constants } from 'node:os'
import { strerror } from './ffi.ts'

const NUMBERS: ReadonlyMap<string, number> = new Map(Object.entries(constants.errno))

/** Tells whether `error` is a system error with this errno name, for example `ENOENT`. */
export function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}

/** The errno name of a system error (`ENOENT`), `undefined` for any other value. */
export function errnoCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'string') return undefined
  return NUMBERS.has(error.code) ? error.code : undefined
}

/**
 * What happened, in the words of strerror(3) where the system reported it
 * (`No such file or directory`), otherwise the message of the error.
 */
export function errnoText(error: unknown): string {
  const code = errnoCode(error)
  const number = code === undefined ? undefined : NUMBERS.get(code)
  if (number !== undefined) return strerror(number)
  return error instanceof Error ? error.message : String(error)
}
