/**
 * BER, as far as LDAP uses it: definite lengths, tags of one byte.
 *
 * Source: ITU-T X.690 §8; RFC 4511 §5.1 (restrictions).
 */

/** Tags that more than one message has. */
export const BER = { boolean: 0x01, integer: 0x02, octets: 0x04, enumerated: 0x0a, sequence: 0x30, set: 0x31 } as const

/** Longest number of bytes that say how long an element is. */
const LENGTH_BYTES_MAX = 4
const INTEGER_BYTES_MAX = 4

/** Bytes that are not what the protocol wants; the text is for the log. */
export class BerError extends Error {
  override readonly name = 'BerError'
}

function lengthBytes(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length)
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.of(0x80 | bytes.length, ...bytes)
}

/** One element: its tag, and the contents one after the other. */
export function element(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, each) => sum + each.length, 0)
  return Buffer.concat([Uint8Array.of(tag), lengthBytes(length), ...contents])
}

/** A number from 0 to 2^31 - 1. */
export function integer(value: number, tag: number = BER.integer): Buffer {
  const bytes: number[] = [value % 256]
  for (let rest = Math.floor(value / 256); rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  // The first bit is the sign.
  if ((bytes[0] ?? 0) > 0x7f) bytes.unshift(0)
  return element(tag, Uint8Array.from(bytes))
}

/** Where the contents of the element that starts at `start` begin and end; `undefined` when its head is incomplete. */
export function elementBounds(bytes: Uint8Array, start = 0): { readonly from: number; readonly to: number } | undefined {
  const first = bytes[start + 1]
  if (first === undefined) return undefined
  if (first < 0x80) return { from: start + 2, to: start + 2 + first }
  const count = first & 0x7f
  if (count === 0 || count > LENGTH_BYTES_MAX) throw new BerError('bad length in reply')
  const from = start + 2 + count
  if (bytes.length < from) return undefined
  let length = 0
  for (const byte of bytes.subarray(start + 2, from)) length = length * 256 + byte
  return { from, to: from + length }
}

/** Reads the elements of some bytes, one after the other. */
export class BerReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  /** The tag of the next element; `undefined` at the end. */
  get tag(): number | undefined {
    return this.#bytes[this.#at]
  }

  /** The contents of the next element. @throws {BerError} It has another tag than `tag`, or is cut off. */
  bytes(tag?: number): Uint8Array {
    const found = this.tag
    const bounds = elementBounds(this.#bytes, this.#at)
    if (found === undefined || bounds === undefined || bounds.to > this.#bytes.length) throw new BerError('reply is cut off')
    if (tag !== undefined && found !== tag) throw new BerError(`unexpected element 0x${found.toString(16)} in reply`)
    this.#at = bounds.to
    return this.#bytes.subarray(bounds.from, bounds.to)
  }

  /** The elements inside the next one. @throws {BerError} */
  inside(tag?: number): BerReader {
    return new BerReader(this.bytes(tag))
  }

  /** A number that is not negative. @throws {BerError} */
  number(tag: number = BER.integer): number {
    const bytes = this.bytes(tag)
    if (bytes.length === 0 || bytes.length > INTEGER_BYTES_MAX || (bytes[0] ?? 0) > 0x7f) throw new BerError('bad number in reply')
    return bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  }
}
