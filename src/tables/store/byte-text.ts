/**
 * Text of one character (0 to 255) for each byte: how entries of new files are kept.
 *
 * @module
 */
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'

const ASCII_ONLY = /^[\0-\x7f]*$/

/** The bytes of `text`, each as a character. ASCII text is that already. */
export function byteText(text: string): string {
  return ASCII_ONLY.test(text) ? text : byteTextOf(encodeRaw(text))
}

/** `bytes`, each as a character. */
export function byteTextOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** The text that `byteText()` was made from. */
export function plainText(bytes: string): string {
  return ASCII_ONLY.test(bytes) ? bytes : decodeRaw(Buffer.from(bytes, 'latin1'))
}
