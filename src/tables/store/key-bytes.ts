/** Keys to look up, as bytes: in one place in memory, since a message may ask for dozens of them. */
import { encodeRaw } from '#util/raw-text.ts'

const SHORT_LENGTH_MAX = 255

const scratch = new Uint8Array(SHORT_LENGTH_MAX)
/** Views of the first bytes, by their number. */
const views: Uint8Array[] = []

/**
 * The bytes of `key` with `tail` NULs (0 or 1) behind it. They hold until the next call.
 */
export function keyBytes(key: string, tail: number): Uint8Array {
  const length = key.length + tail
  if (length > SHORT_LENGTH_MAX) return encodeRaw(key + '\0'.repeat(tail))
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code >= 0x80) return encodeRaw(key + '\0'.repeat(tail))
    scratch[i] = code
  }
  if (tail > 0) scratch[length - 1] = 0
  return (views[length] ??= scratch.subarray(0, length))
}
