/**
 * Password hashes: verifying, and making new ones.
 *
 * Verified: those of crypt(3) (`$6$`, `$5$`, `$y$`, `$2b$` and what else the C library knows)
 * and argon2 (`$argon2id$…`), so that files of other systems can be used. Made: `$6$` and argon2id.
 *
 * Source: crypt(5); RFC 9106 (argon2), PHC string format.
 *
 * @module
 */
import { argon2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { crypt } from '#system/posix.ts'

const argon2Async = promisify(argon2)

/** RFC 9106 §4, second recommended option, for machines with little memory: 64 MiB, 3 passes, 4 lanes. */
const ARGON2_DEFAULTS = { memory: 65_536, passes: 3, parallelism: 4, tagLength: 32 } as const
/** What a hash from a file may ask for: more would let a file stop the server. Memory in KiB. */
const ARGON2_MAX = { memory: 1_048_576, passes: 64, parallelism: 64, tagLength: 128 } as const
const ARGON2_VERSION = 19
const ARGON2_SALT_BYTES = 16


const SHA512_SALT_CHARACTERS = 16

const ARGON2_REGEXP = /^\$(argon2(?:id|i|d))\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/
/** crypt(5): hashes with an identifier; the old ones without are too weak to be let in. */
const CRYPT_REGEXP = /^\$(?:1|5|6|2[abxy]|y|gy|7|sha1)\$[!-9;-~]+$/

/** Whether `hash` is of a kind that can be verified. */
export function isPasswordHash(hash: string): boolean {
  return ARGON2_REGEXP.test(hash) || CRYPT_REGEXP.test(hash)
}

/** Whether `password` is the one behind `hash`. A hash that cannot be read matches nothing. */
export async function verifyPassword(password: string, hash: string): Promise<boolean> {
  const match = ARGON2_REGEXP.exec(hash)
  if (match !== null) return verifyArgon2(password, match)
  if (!CRYPT_REGEXP.test(hash) || password.includes('\0')) return false
  const made = crypt(password, hash)
  return made !== undefined && sameText(made, hash)
}

async function verifyArgon2(password: string, match: RegExpExecArray): Promise<boolean> {
  const [, kind = '', memory, passes, parallelism, salt = '', tag = ''] = match
  const expected = Buffer.from(tag, 'base64')
  const work = {
    memory: Number(memory), passes: Number(passes), parallelism: Number(parallelism), tagLength: expected.length,
  }
  const tooMuch = Object.entries(ARGON2_MAX).some(([name, max]) => Reflect.get(work, name) > max)
  if (tooMuch || !isArgon2Kind(kind)) return false
  const made = await argon2Async(kind, { ...work, message: password, nonce: Buffer.from(salt, 'base64') })
  return timingSafeEqual(made, expected)
}

function isArgon2Kind(kind: string): kind is 'argon2id' | 'argon2i' | 'argon2d' {
  return kind === 'argon2id' || kind === 'argon2i' || kind === 'argon2d'
}

function sameText(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)]
  return left.length === right.length && timingSafeEqual(left, right)
}

/** A new `$6$` hash. @throws {Error} When the C library cannot make it. */
export function sha512Hash(password: string): string {
  const salt = randomBytes(SHA512_SALT_CHARACTERS).toString('base64').replaceAll('+', '.').slice(
    0, SHA512_SALT_CHARACTERS,
  )
  const hash = crypt(password, `$6$${salt}$`)
  if (hash === undefined || !hash.startsWith('$6$')) {
    throw new Error('Cannot make a $6$ hash as crypt(3) does not know it')
  }
  return hash
}

/** PHC string format: base64 without `=`. */
function unpadded(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('=', '')
}

/** A new argon2id hash. */
export async function argon2Hash(password: string): Promise<string> {
  const salt = randomBytes(ARGON2_SALT_BYTES)
  const { memory, passes, parallelism } = ARGON2_DEFAULTS
  const tag = await argon2Async('argon2id', { ...ARGON2_DEFAULTS, message: password, nonce: salt })
  return `$argon2id$v=${ARGON2_VERSION}$m=${memory},t=${passes},p=${parallelism}$${unpadded(salt)}$${unpadded(tag)}`
}
