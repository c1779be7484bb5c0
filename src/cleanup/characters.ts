/**
 * Bytes that content may not have: refused, removed, or replaced.
 *
 * Source: postconf(5) message_reject_characters, message_strip_characters, cleanup_replace_stray_cr_lf.
 */
import { encodeRaw } from '#util/raw-text.ts'

/** Which bytes are meant: 1 at the index of each. */
export type ByteSet = Uint8Array

const BACKSLASH = 92
const CR = 13
const LF = 10
const BLANK = 32
/** C's escapes of one letter. */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [97, 7], [98, 8], [102, 12], [110, LF], [114, CR], [116, 9], [118, 11],
])
const OCTAL_DIGITS_MAX = 3

const isOctal = (byte: number | undefined): byte is number => byte !== undefined && byte >= 48 && byte <= 55

/** The bytes of a parameter's value, in which `\n`, `\0` and kin have their meaning in C. */
export function unescapeBytes(text: string): Uint8Array {
  const bytes = encodeRaw(text)
  const out: number[] = []
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    if (byte !== BACKSLASH || i + 1 === bytes.length) {
      out.push(byte)
      continue
    }
    let next = bytes[++i] ?? 0
    if (!isOctal(next)) {
      out.push(ESCAPES.get(next) ?? next)
      continue
    }
    let value = 0
    for (let n = 0; n < OCTAL_DIGITS_MAX && isOctal(bytes[i]); n++) value = value * 8 + (bytes[i++] ?? 0) - 48
    next = value & 0xff
    out.push(next)
    i--
  }
  return Uint8Array.from(out)
}

/** The set of some bytes; `undefined` for none, so that the check costs nothing. */
export function byteSet(bytes: Uint8Array): ByteSet | undefined {
  if (bytes.length === 0) return undefined
  const set = new Uint8Array(256)
  for (const byte of bytes) set[byte] = 1
  return set
}

/** Whether a byte of `bytes` is in `set`. */
export function containsAny(bytes: Uint8Array, set: ByteSet): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if (set[bytes[i] ?? 0] === 1) return true
  }
  return false
}

/** `bytes` without those in `set`. */
export function withoutBytes(bytes: Uint8Array, set: ByteSet): Uint8Array {
  return containsAny(bytes, set) ? bytes.filter((byte) => set[byte] !== 1) : bytes
}

/** Whether there is a CR or LF in text that is one line. */
export function hasStrayLineEnd(bytes: Uint8Array): boolean {
  return bytes.includes(CR) || bytes.includes(LF)
}

/** Where the CR and LF of some bytes are, found in one walk through them. */
export class StrayLineEnds {
  readonly #bytes: Uint8Array
  #cr = -1
  #lf = -1

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The first one at or after `at`, or the end. Each call asks for a place not before that of the last one. */
  next(at: number): number {
    if (this.#cr < at) this.#cr = this.#find(CR, at)
    if (this.#lf < at) this.#lf = this.#find(LF, at)
    return Math.min(this.#cr, this.#lf)
  }

  #find(byte: number, at: number): number {
    const found = this.#bytes.indexOf(byte, at)
    return found < 0 ? this.#bytes.length : found
  }
}

/**
 * `bytes` with each CR and LF inside a line replaced by a blank: what they mean
 * differs among programs, and makes one message look like two (SMTP smuggling).
 */
export function withoutStrayLineEnds(bytes: Uint8Array): Uint8Array {
  return hasStrayLineEnd(bytes) ? bytes.map((byte) => (byte === CR || byte === LF ? BLANK : byte)) : bytes
}
