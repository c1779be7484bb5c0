/**
 * Character sets of databases other than UTF-8.
 *
 * A client that speaks such a set sends the bytes of its text as they are, and the
 * server takes them for characters of that set. `read()` says which characters these
 * are, `write()` which bytes characters have in it, again as text: `decodeRaw()` form.
 *
 * Source: WHATWG Encoding, whose decoders TextDecoder has; encoders follow from them.
 */
import { decodeRaw, encodeRaw } from './raw-text.ts'

/** Text of a character set. */
export type Charset = {
  /** The characters that the bytes of `text` are; `undefined`: they are none. */
  read(text: string): string | undefined
  /** The text whose bytes are these characters; `undefined`: the set lacks one of them. */
  write(characters: string): string | undefined
}

const ASCII_REGEXP = /^[\0-\x7f]*$/

function decoder(label: string): TextDecoder | undefined {
  try {
    return new TextDecoder(label, { fatal: true, ignoreBOM: true })
  } catch {
    return undefined
  }
}

function decode(using: TextDecoder, bytes: Uint8Array): string | undefined {
  try {
    return using.decode(bytes)
  } catch {
    return undefined
  }
}

/** Every character of one or two bytes, with its bytes. Sequences that are no single character are left out. */
function encoderTable(using: TextDecoder): ReadonlyMap<string, Uint8Array> {
  const table = new Map<string, Uint8Array>()
  const add = (bytes: Uint8Array): boolean => {
    const text = decode(using, bytes)
    const isOne = text !== undefined && Array.from(text).length === 1
    if (isOne && !table.has(text)) table.set(text, bytes)
    return isOne
  }
  for (let first = 0; first < 0x100; first++) {
    if (add(Uint8Array.of(first)) || first < 0x80) continue
    for (let second = 0x30; second < 0x100; second++) add(Uint8Array.of(first, second))
  }
  return table
}

/**
 * A character set by a label of WHATWG Encoding, such as `latin1` or `shift_jis`.
 *
 * @returns `undefined`: there is none of that name, or it is not one of one or two bytes.
 */
export function openCharset(label: string): Charset | undefined {
  const using = decoder(label)
  if (using === undefined || /^utf-|^iso-2022|^gb18030/.test(using.encoding)) return undefined
  let table: ReadonlyMap<string, Uint8Array> | undefined
  return {
    read: (text) => (ASCII_REGEXP.test(text) ? text : decode(using, encodeRaw(text))),
    write(characters) {
      if (ASCII_REGEXP.test(characters)) return characters
      table ??= encoderTable(using)
      const bytes: number[] = []
      for (const c of characters) {
        const encoded = table.get(c)
        if (encoded === undefined) return undefined
        bytes.push(...encoded)
      }
      return decodeRaw(Uint8Array.from(bytes))
    },
  }
}
