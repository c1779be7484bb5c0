/**
 * Names of hosts as Postfix takes them: letters, digits, `_` and inner hyphens, in labels between dots.
 *
 * Source: RFC 1123 §2.1; texts of Postfix 3.11's valid_hostname().
 */

/** Bytes of a label and of a whole name. RFC 1035 §2.3.4. */
const LABEL_MAX = 63
const NAME_MAX = 255
const SHOWN_MAX = 100

/** What is wrong with a host name, in Postfix's words; `undefined` for a good one. */
export function hostnameProblem(name: string): string | undefined {
  const shown = name.slice(0, SHOWN_MAX)
  if (name === '') return 'valid_hostname: empty hostname'
  const bytes = new TextEncoder().encode(name)
  const bad = bytes.find((byte) => !/[\w.-]/.test(String.fromCharCode(byte)))
  for (const [i, label] of name.split('.').entries()) {
    if (label === '') return `valid_hostname: misplaced delimiter: ${shown}`
    if (bad !== undefined && /[^\w-]/.test(label)) return `valid_hostname: invalid character ${bad}(decimal): ${shown}`
    if (label.startsWith('-') || label.endsWith('-')) return `valid_hostname: misplaced hyphen: ${shown}`
    if (label.length > LABEL_MAX) return `valid_hostname: hostname label too long: ${shown}`
    if (i === 0 && /^[\d.]+$/.test(name)) return `valid_hostname: numeric hostname: ${shown}`
  }
  return bytes.length > NAME_MAX ? `valid_hostname: bad length ${bytes.length} for ${shown}...` : undefined
}
