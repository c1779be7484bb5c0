/**
 * Postfix's attribute lists, on the sockets that its own commands use:
 * `name NUL value NUL … NUL`.
 *
 * The order counts, and names may repeat, so a list is an array of pairs. Bytes
 * that are not UTF-8 are kept, see util/raw-text.ts.
 *
 * @module
 */
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'

/** One attribute. Numbers are sent as unsigned decimals of 32 bits, as Postfix does: -1 is 4294967295. */
export type Attribute = readonly [name: string, value: string | number]

/** A list as it was read. */
export type AttributeList = readonly (readonly [name: string, value: string])[]

/** The longest list a reader takes by default: a message with some ten thousand recipients. */
export const ATTRIBUTE_LIST_BYTES_MAX = 16 * 1024 * 1024

/** A peer that sends no attribute list, or a longer one than allowed. */
export class AttributeError extends Error {
  override name = 'AttributeError'
}

function valueText(value: string | number): string {
  if (typeof value === 'string') return value
  return value < 0 ? String(value + 2 ** 32) : String(value)
}

/**
 * A list as bytes.
 *
 * @param more Leaves the closing NUL out: the next list continues this one.
 */
export function encodeAttributes(list: readonly Attribute[], more = false): Buffer {
  const parts = list.flatMap(([name, value]) => [name, valueText(value)])
  if (parts.some((part) => part.includes('\0'))) throw new AttributeError('Cannot send an attribute that holds a NUL')
  return Buffer.from(encodeRaw(parts.map((part) => `${part}\0`).join('') + (more ? '' : '\0')))
}

/** Cuts a byte stream into attribute lists. */
export class AttributeDecoder {
  readonly #bytesMax: number
  #held: Buffer = Buffer.alloc(0)
  /** How far `#held` has been read, and the strings found so far. */
  #position = 0
  #strings: string[] = []

  constructor(bytesMax = ATTRIBUTE_LIST_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** Whether a part of a list has come. */
  get partial(): boolean {
    return this.#strings.length > 0 || this.#held.length > this.#position
  }

  /**
   * The lists that are complete with this chunk, in order. An empty list is `[]`.
   *
   * @throws {AttributeError} For a name without a value, or a list beyond the limit.
   */
  push(chunk: Uint8Array): [name: string, value: string][][] {
    this.#held = Buffer.concat([this.#held.subarray(this.#position), chunk])
    this.#position = 0
    const lists: [string, string][][] = []
    let size = this.#strings.reduce((sum, text) => sum + text.length + 1, 0)
    for (let end = this.#held.indexOf(0); end !== -1; end = this.#held.indexOf(0, this.#position)) {
      const text = decodeRaw(this.#held.subarray(this.#position, end))
      this.#position = end + 1
      size += text.length + 1
      if (text === '' && this.#strings.length % 2 === 0) {
        lists.push(pairs(this.#strings))
        this.#strings = []
        size = 0
      } else {
        this.#strings.push(text)
      }
      if (size > this.#bytesMax) break
    }
    if (size + this.#held.length - this.#position > this.#bytesMax) throw new AttributeError('Cannot read a list that long')
    return lists
  }

  /** The bytes after the last complete list, and an end to this decoder: the stream goes on as something else. */
  rest(): Buffer {
    return this.#held.subarray(this.#position)
  }
}

function pairs(strings: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let i = 0; i < strings.length; i += 2) list.push([strings[i] ?? '', strings[i + 1] ?? ''])
  return list
}

/**
 * Takes lists one at a time where a stream changes to something else after a
 * list: the first list in `bytes` and how long it is, or `undefined` while it is incomplete.
 */
export function firstList(bytes: Uint8Array): { list: [string, string][]; length: number } | undefined {
  const strings: string[] = []
  const held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  for (let start = 0, end = held.indexOf(0); end !== -1; start = end + 1, end = held.indexOf(0, start)) {
    if (end === start && strings.length % 2 === 0) return { list: pairs(strings), length: end + 1 }
    strings.push(decodeRaw(held.subarray(start, end)))
  }
  return undefined
}

/** The value of the first attribute with this name, or `undefined`. */
export function attribute(list: AttributeList, name: string): string | undefined {
  return list.find(([each]) => each === name)?.[1]
}

/** A number as Postfix sends it: 4294967295 is -1. `undefined` for anything else than a number. */
export function attributeNumber(text: string | undefined): number | undefined {
  if (text === undefined || !/^-?[0-9]{1,20}$/.test(text)) return undefined
  const value = Number(text)
  return value >= 2 ** 31 && value < 2 ** 32 ? value - 2 ** 32 : value
}
