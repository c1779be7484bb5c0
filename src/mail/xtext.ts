/**
 * xtext: text in which awkward bytes stand as `+` and two hex digits.
 *
 * Source: RFC 3461 §4; postconf-style use in `ORCPT=`, `ENVID=`, XCLIENT and XFORWARD.
 */

const encoder = new TextEncoder()
const decoder = new TextDecoder('utf-8', { fatal: true })

/**
 * Encodes the UTF-8 bytes of `text`. RFC 3461 §4: `!` to `~`, without `+` and `=`, stand for themselves.
 *
 * @param special More characters to encode, such as `\0` for nothing more.
 */
export function encodeXtext(text: string, special = ''): string {
  let out = ''
  for (const byte of encoder.encode(text)) {
    const c = String.fromCharCode(byte)
    const plain = byte > 32 && byte < 127 && c !== '+' && c !== '=' && !special.includes(c)
    out += plain ? c : `+${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}

/**
 * Decodes xtext. Hex digits of both cases are taken.
 *
 * @returns `undefined` when a `+` is not followed by two hex digits, or the bytes are not UTF-8.
 */
export function decodeXtext(text: string): string | undefined {
  if (!text.includes('+')) return text
  if (/\+(?![0-9A-Fa-f]{2})/.test(text)) return undefined
  const bytes: number[] = []
  for (let i = 0; i < text.length; i++) {
    if (text.charAt(i) === '+') {
      bytes.push(Number.parseInt(text.slice(i + 1, i + 3), 16))
      i += 2
    } else {
      const point = text.codePointAt(i) ?? 0
      bytes.push(...encoder.encode(String.fromCodePoint(point)))
      if (point > 0xffff) i++
    }
  }
  try {
    return decoder.decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}
