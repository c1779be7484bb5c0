/**
 * Queue ids: the name of a queue file, made of its creation time and its inode.
 *
 * Short form: microseconds as 5 hexadecimal digits, then the inode in hexadecimal.
 * Long form: seconds (6 or more digits) and microseconds (4) to the base of 52, `z`, the
 * inode to the base of 51, whose digits lack the `z`. A long id is never used twice.
 *
 * Source: postconf(5) enable_long_queue_ids.
 *
 * @module
 */

/** Name of a queue file: letters, digits and underscore, 1 to 255; made by `isQueueId()` only. */
export type QueueId = string & { readonly queueId: unique symbol }

/** What a queue id says. `inode` is hexadecimal in upper case; the seconds are unknown for short ids. */
export type DecodedId = {
  readonly long: boolean
  readonly seconds: number | undefined
  readonly microseconds: number
  readonly inode: string
}

const QUEUE_ID_REGEXP = /^[A-Za-z0-9_]{1,255}$/
/** Digits, then letters without vowels, so that no id spells a word. */
const DIGITS = '0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz'
const TIME_BASE = 52
const INODE_BASE = 51
const SECONDS_DIGITS = 6
const MICROSECONDS_DIGITS = 4
const SHORT_MICROSECONDS_DIGITS = 5
const INODE_SEPARATOR = 'z'
/** An id is long when its last `z` stands here or later. */
const SEPARATOR_INDEX_MIN = SECONDS_DIGITS + MICROSECONDS_DIGITS
/** Inodes have 64 bits: a longer number in a name is not one. */
const INODE_LIMIT = 2n ** 64n

/** Whether `name` can be a queue id: such a name cannot leave its directory. */
export function isQueueId(name: string): name is QueueId {
  return QUEUE_ID_REGEXP.test(name)
}

/** @throws {TypeError} When `name` is not a queue id. */
export function queueId(name: string): QueueId {
  if (!isQueueId(name)) throw new TypeError(`Cannot use "${name}" as a queue id`)
  return name
}

function encode(value: number | bigint, base: number, width: number): string {
  let text = ''
  if (typeof value === 'number') {
    for (let rest = value; rest > 0; rest = Math.floor(rest / base)) text = DIGITS.charAt(rest % base) + text
  } else {
    for (let rest = value; rest > 0n; rest /= BigInt(base)) text = DIGITS.charAt(Number(rest % BigInt(base))) + text
  }
  return text.padStart(width, '0')
}

function decode(text: string, base: number): bigint | undefined {
  if (text === '') return undefined
  let value = 0n
  for (const c of text) {
    const digit = DIGITS.indexOf(c)
    if (digit < 0 || digit >= base) return undefined
    value = value * BigInt(base) + BigInt(digit)
    if (value >= INODE_LIMIT) return undefined
  }
  return value
}

/** Microseconds as the hash directories and short ids show them: 5 digits. */
function hexMicroseconds(microseconds: number): string {
  return microseconds.toString(16).toUpperCase().padStart(SHORT_MICROSECONDS_DIGITS, '0')
}

/** The short id of a file. */
export function shortId(microseconds: number, inode: number | bigint): QueueId {
  return queueId(hexMicroseconds(microseconds) + inode.toString(16).toUpperCase())
}

/** The long id of a file. */
export function longId(seconds: number, microseconds: number, inode: number | bigint): QueueId {
  const time = encode(seconds, TIME_BASE, SECONDS_DIGITS) + encode(microseconds, TIME_BASE, MICROSECONDS_DIGITS)
  return queueId(`${time}${INODE_SEPARATOR}${encode(inode, INODE_BASE, 1)}`)
}

/** Place of the `z` before the inode of a long id; -1 for a short one. */
function separatorIndex(id: string): number {
  const index = id.lastIndexOf(INODE_SEPARATOR)
  return index >= SEPARATOR_INDEX_MIN ? index : -1
}

/** Whether `id` has the long form. */
export function isLongId(id: string): boolean {
  return separatorIndex(id) >= 0
}

function decodeLong(id: string, separator: number): DecodedId | undefined {
  const split = separator - MICROSECONDS_DIGITS
  const seconds = decode(id.slice(0, split), TIME_BASE)
  const microseconds = decode(id.slice(split, separator), TIME_BASE)
  const inode = decode(id.slice(separator + 1), INODE_BASE)
  if (seconds === undefined || microseconds === undefined || inode === undefined) return undefined
  return {
    long: true,
    seconds: Number(seconds),
    microseconds: Number(microseconds),
    inode: inode.toString(16).toUpperCase(),
  }
}

/** The parts of a queue id; `undefined` when the name does not have the form of one. */
export function decodeId(id: string): DecodedId | undefined {
  const separator = separatorIndex(id)
  if (separator >= 0) return decodeLong(id, separator)
  const time = id.slice(0, SHORT_MICROSECONDS_DIGITS)
  const inode = id.slice(SHORT_MICROSECONDS_DIGITS)
  if (!/^[0-9A-Fa-f]{5}$/.test(time) || !/^[0-9A-Fa-f]{1,16}$/.test(inode)) return undefined
  return {
    long: false,
    seconds: undefined,
    microseconds: Number.parseInt(time, 16),
    inode: BigInt(`0x${inode}`).toString(16).toUpperCase(),
  }
}

/**
 * The characters from which the hash directories of `name` are taken: the
 * microseconds of a long id in hexadecimal, any other name as it stands.
 */
export function hashText(name: string): string {
  const separator = separatorIndex(name)
  if (separator < 0) return name
  const microseconds = decode(name.slice(separator - MICROSECONDS_DIGITS, separator), TIME_BASE)
  return microseconds === undefined ? name : hexMicroseconds(Number(microseconds))
}

/**
 * The id that a file should have by its inode, keeping its time: long ids turn
 * short when `longIds` is off, short ones stay short.
 *
 * @returns `undefined` when `id` does not have the form of a queue id.
 */
export function renewId(id: string, inode: number | bigint, longIds: boolean): QueueId | undefined {
  const parts = decodeId(id)
  if (!parts) return undefined
  if (!parts.long) return queueId(id.slice(0, SHORT_MICROSECONDS_DIGITS) + inode.toString(16).toUpperCase())
  if (!longIds) return shortId(parts.microseconds, inode)
  return queueId(`${id.slice(0, separatorIndex(id))}${INODE_SEPARATOR}${encode(inode, INODE_BASE, 1)}`)
}

/** Wall clock in whole microseconds since 1970. */
export type MicroTime = { readonly seconds: number; readonly microseconds: number }

/** How far the fine clock may be from the wall clock before it is set again. */
const CLOCK_TOLERANCE_MS = 2
/** The clock counts as set back when it is further back than this, in microseconds. */
const REPEATED_MAX = 10_000

let clockOffsetMs = Date.now() - performance.now()
let lastMicroseconds = 0

/**
 * The time now, in microseconds. Two calls in one process never give the same
 * microsecond while the clock runs forward, so that temporary names do not collide.
 */
export function microTime(): MicroTime {
  const wallMs = Date.now()
  let nowMs = performance.now() + clockOffsetMs
  if (Math.abs(nowMs - wallMs) > CLOCK_TOLERANCE_MS) {
    clockOffsetMs += wallMs - nowMs
    nowMs = wallMs
  }
  let now = Math.floor(nowMs * 1000)
  if (now <= lastMicroseconds && lastMicroseconds - now < REPEATED_MAX) now = lastMicroseconds + 1
  lastMicroseconds = now
  const seconds = Math.floor(now / 1e6)
  return { seconds, microseconds: now - seconds * 1e6 }
}
