/**
 * Text from bytes of unknown encoding, and back, without loss.
 *
 * Bytes that form UTF-8 become those characters. Any other byte, 0x80 to 0xFF, becomes the
 * lone surrogate U+DC80 to U+DCFF, which UTF-8 text cannot contain, and turns back into
 * that byte. So addresses and names of any origin can be handled as strings and be
 * written again as they were.
 */

const ESCAPE_BASE = 0xdc00
const ESCAPE_FIRST = 0xdc80
const ESCAPE_LAST = 0xdcff
const ESCAPE_REGEXP = /[\udc80-\udcff]/

const strictDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** Length of the valid UTF-8 sequence at `start`; 0 when there is none. RFC 3629 §4. */
function sequenceLength(bytes: Uint8Array, start: number): number {
  const first = bytes[start] ?? 0
  const length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0
  for (let i = 1; i < length; i++) {
    if (((bytes[start + i] ?? 0) & 0xc0) !== 0x80) return 0
  }
  const second = bytes[start + 1] ?? 0
  if (first === 0xe0 && second < 0xa0) return 0
  if (first === 0xed && second > 0x9f) return 0
  if (first === 0xf0 && second < 0x90) return 0
  if (first === 0xf4 && second > 0x8f) return 0
  return length
}

function decodeWithEscapes(bytes: Uint8Array): string {
  let text = ''
  let plain = 0
  for (let i = 0; i < bytes.length;) {
    const length = sequenceLength(bytes, i)
    if (length > 0) {
      i += length
      continue
    }
    text += strictDecoder.decode(bytes.subarray(plain, i)) + String.fromCharCode(ESCAPE_BASE + (bytes[i] ?? 0))
    plain = ++i
  }
  return text + strictDecoder.decode(bytes.subarray(plain))
}

function isAsciiBytes(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    if ((bytes[i] ?? 0) >= 0x80) return false
  }
  return true
}

/** The text of `bytes`; `encodeRaw()` gives the same bytes back. */
export function decodeRaw(bytes: Uint8Array): string {
  if (isAsciiBytes(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  try {
    return strictDecoder.decode(bytes)
  } catch {
    return decodeWithEscapes(bytes)
  }
}

/** The bytes of `text`. A lone surrogate that does not stand for a byte becomes U+FFFD. */
export function encodeRaw(text: string): Uint8Array {
  if (!ESCAPE_REGEXP.test(text)) return encoder.encode(text)
  const out: number[] = []
  for (const c of text) {
    const code = c.codePointAt(0) ?? 0
    if (code >= ESCAPE_FIRST && code <= ESCAPE_LAST) out.push(code - ESCAPE_BASE)
    else out.push(...encoder.encode(c))
  }
  return Uint8Array.from(out)
}
