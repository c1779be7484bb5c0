/** Text that is safe to show in a log line or a reply. */

// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_REGEXP = /[\u0000-\u001f\u007f]/
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROLS_REGEXP = /[\u0000-\u001f\u007f]/g
// eslint-disable-next-line no-control-regex -- control characters are what is looked for
const NON_ASCII_OR_CONTROL_REGEXP = /[^\u0020-\u007e]/g

/**
 * `text` with each control character replaced, so that it stays one line.
 * Characters beyond ASCII are kept: logs and replies may carry UTF-8.
 */
export function printable(text: string, replacement = '?'): string {
  return CONTROL_REGEXP.test(text) ? text.replaceAll(CONTROLS_REGEXP, () => replacement) : text
}

/** `text` with everything but printable ASCII replaced. */
export function printableAscii(text: string, replacement = '?'): string {
  return text.replaceAll(NON_ASCII_OR_CONTROL_REGEXP, () => replacement)
}
