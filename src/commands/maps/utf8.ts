/** Whether text came from valid UTF-8. */

/** What `decodeRaw()` makes of a byte that is not part of UTF-8. */
const ESCAPED_BYTE = /[\udc80-\udcff]/u

/** Whether `text`, made by `decodeRaw()`, holds no byte that was not UTF-8. */
export function isValidUtf8Text(text: string): boolean {
  return !ESCAPED_BYTE.test(text)
}
