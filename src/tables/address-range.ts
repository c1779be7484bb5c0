/**
 * IP addresses and `network/length` ranges, as four 32-bit words or one.
 *
 * Text forms are those of inet_pton(3): dotted quads without leading zeros;
 * RFC 4291 §2.2 for IPv6, without a zone. Messages are Postfix's.
 *
 * Source: cidr_table(5); RFC 4291 §2.2; RFC 5952 §4 (output).
 */
import { isIPv4, isIPv6 } from 'node:net'

/** An address: one word for IPv4, four for IPv6, most significant first, each unsigned. */
export type Address = readonly number[]

/** All addresses whose first `length` bits are those of `base`. */
export type AddressRange = { readonly base: Address; readonly length: number }

/** A range, or why the text is none. */
export type RangeText =
  | { readonly kind: 'ok'; readonly range: AddressRange }
  | { readonly kind: 'error'; readonly reason: string }

const DOT = 0x2e
const ZERO = 0x30

/** Of text that is an IPv4 address. */
function parseIPv4(text: string): number {
  let word = 0
  let part = 0
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      word = word * 256 + part
      part = 0
    } else {
      part = part * 10 + code - ZERO
    }
  }
  return word * 256 + part
}

function groups(part: string): number[] {
  return part.split(':').filter(Boolean).map((group) => Number.parseInt(group, 16))
}

function parseIPv6(text: string): Address {
  const dotted = /[^:]*\.[^:]*$/.exec(text)?.[0]
  const tail = dotted === undefined ? [] : [parseIPv4(dotted)]
  const hexadecimal = dotted === undefined ? text : text.slice(0, -dotted.length)
  const [left = '', right = ''] = hexadecimal.split('::')
  const head = groups(left)
  const end = [...groups(right), ...tail.flatMap((word) => [word >>> 16, word & 0xffff])]
  const all = [...head, ...Array<number>(Math.max(0, 8 - head.length - end.length)).fill(0), ...end]
  const word = (i: number): number => (all[i] ?? 0) * 0x10000 + (all[i + 1] ?? 0)
  return [word(0), word(2), word(4), word(6)]
}

let lastText = ''
let lastAddress: Address | undefined

/** Reads an address without brackets; `undefined` when `text` is none. Lists are asked about one client many times. */
export function parseAddress(text: string): Address | undefined {
  if (text !== lastText) {
    lastAddress = readAddress(text)
    lastText = text
  }
  return lastAddress
}

function readAddress(text: string): Address | undefined {
  if (isIPv4(text)) return [parseIPv4(text)]
  if (isIPv6(text) && !text.includes('%')) return parseIPv6(text)
  return undefined
}

function formatIPv6(address: Address): string {
  const words = address.flatMap((word) => [(word >>> 16).toString(16), (word & 0xffff).toString(16)])
  let best = { start: 0, length: 0 }
  for (let start = 0; start < 8; start++) {
    let length = 0
    while (words[start + length] === '0') length++
    if (length > best.length) best = { start, length }
  }
  // RFC 5952 §4.2.2: one group of zeros alone is not shortened.
  if (best.length < 2) return words.join(':')
  return `${words.slice(0, best.start).join(':')}::${words.slice(best.start + best.length).join(':')}`
}

/** The usual text of an address. */
export function formatAddress(address: Address): string {
  const [word = 0] = address
  if (address.length > 1) return formatIPv6(address)
  return [word >>> 24, (word >>> 16) & 255, (word >>> 8) & 255, word & 255].join('.')
}

/** The mask for the part of a prefix of `length` bits that falls into word `i`. */
function wordMask(length: number, i: number): number {
  const bits = Math.min(Math.max(length - 32 * i, 0), 32)
  return bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
}

function truncate(address: Address, length: number): Address {
  return address.map((word, i) => (word & wordMask(length, i)) >>> 0)
}

/** Whether `address` lies in `range`; never for another address family. */
export function inRange({ base, length }: AddressRange, address: Address): boolean {
  if (base.length !== address.length) return false
  for (let i = 0; i < base.length; i++) {
    if ((((base[i] ?? 0) ^ (address[i] ?? 0)) & wordMask(length, i)) !== 0) return false
  }
  return true
}

function fail(reason: string): RangeText {
  return { kind: 'error', reason }
}

/** Takes `[address]` or `[address]/length` apart. */
function unbracket(text: string): { address: string; mask: string | undefined } | string {
  const close = text.indexOf(']')
  if (close < 0) return `missing ']' character after "${text}"`
  const rest = text.slice(close + 1)
  if (rest !== '' && !rest.startsWith('/')) return `garbage after "${text.slice(0, close + 1)}"`
  return { address: text.slice(1, close), mask: rest === '' ? undefined : rest.slice(1) }
}

function splitMask(text: string): { address: string; mask: string | undefined } | string {
  if (text.startsWith('[')) return unbracket(text)
  const slash = text.indexOf('/')
  if (slash < 0) return { address: text, mask: undefined }
  return { address: text.slice(0, slash), mask: text.slice(slash + 1) }
}

/** Reads `address`, `network/length`, `[address]` or `[network]/length`. */
export function parseRange(text: string): RangeText {
  const parts = splitMask(text)
  if (typeof parts === 'string') return fail(parts)
  const { address, mask } = parts
  if (mask !== undefined && !/^\d+$/.test(mask)) return fail(`bad mask value in "${text}"`)
  const parsed = parseAddress(address)
  if (parsed === undefined) {
    return fail(mask === undefined ? `bad address pattern: "${text}"` : `bad network value in "${text}"`)
  }
  const bits = 32 * parsed.length
  const length = mask === undefined ? bits : Number(mask)
  if (length > bits) return fail(`bad mask length in "${text}"`)
  const base = truncate(parsed, length)
  if (base.some((word, i) => word !== parsed[i])) {
    return fail(`non-null host address bits in "${text}", perhaps you should use "${formatAddress(base)}/${length}" instead`)
  }
  return { kind: 'ok', range: { base, length } }
}
