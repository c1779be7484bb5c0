/**
 * Bytes of tables as text: UTF-8 where it is valid, otherwise one character for each byte.
 */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Whether `bytes` are valid UTF-8. */
export function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes)
    return true
  } catch {
    return false
  }
}

/** `bytes` as text, Latin-1 when they are not UTF-8, so that ASCII parts keep working. */
export function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
  }
}
