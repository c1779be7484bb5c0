/**
 * ASCII text: case and character classes without locale or Unicode rules.
 *
 * SMTP compares its own words as ASCII; the case rules of Unicode would make
 * letters equal that no other mail program takes as equal.
 */

const UPPER_REGEXP = /[A-Z]/
const UPPERS_REGEXP = /[A-Z]+/g
const LOWERS_REGEXP = /[a-z]+/g
const NON_ASCII_REGEXP = /[\u0080-\uffff]/

/** `text` with A to Z in lower case; all other characters stay. */
export function asciiLower(text: string): string {
  if (!UPPER_REGEXP.test(text)) return text
  return isAscii(text) ? text.toLowerCase() : text.replaceAll(UPPERS_REGEXP, (run) => run.toLowerCase())
}

/** `text` with a to z in upper case; all other characters stay. */
export function asciiUpper(text: string): string {
  return text.replaceAll(LOWERS_REGEXP, (run) => run.toUpperCase())
}

/** Whether two texts are equal but for the case of ASCII letters. */
export function equalsIgnoreCase(a: string, b: string): boolean {
  return a === b || (a.length === b.length && asciiLower(a) === asciiLower(b))
}

/** Whether every character is below 128. */
export function isAscii(text: string): boolean {
  return !NON_ASCII_REGEXP.test(text)
}

/**
 * The form in which names and addresses are compared and looked up: ASCII is
 * lowered; other text is folded by Unicode, as tables of UTF-8 keys expect.
 */
export function foldCase(text: string): string {
  return isAscii(text) ? asciiLower(text) : text.toLowerCase()
}

/** Whether `text` is one or more of 0 to 9. */
export function isDigits(text: string): boolean {
  return /^[0-9]+$/.test(text)
}
