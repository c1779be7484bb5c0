/**
 * Logical lines: comments out, continuations joined. The form of main.cf and of the sources of tables.
 *
 * A line that starts with white space continues the one before it, as it
 * stands, its white space included. Empty lines, and lines whose first
 * non-blank character is `#`, are dropped, also inside a logical line.
 *
 * Source: postconf(5), main.cf; postmap(1), table format; regexp_table(5).
 */

/** One logical line, without line ends, and the number, from 1, of its first physical line: the one that Postfix reports. */
export type LogicalLine = { readonly text: string; readonly first: number }

const BLANK_OR_COMMENT_REGEXP = /^[ \t\r\v\f]*(?:#|$)/
const SPACE_REGEXP = /^[ \t\r\v\f]/

/** The logical lines of `source`, in order. White space at the start of the first stays. */
export function* logicalLines(source: string): Generator<LogicalLine> {
  let current: { text: string; first: number } | undefined
  let number = 0
  for (let start = 0; start < source.length; ) {
    const newline = source.indexOf('\n', start)
    const end = newline < 0 ? source.length : newline
    const line = source.slice(start, end)
    start = end + 1
    number++
    if (BLANK_OR_COMMENT_REGEXP.test(line)) continue
    if (current !== undefined && SPACE_REGEXP.test(line)) {
      current.text += line
      continue
    }
    if (current !== undefined) yield current
    current = { text: line, first: number }
  }
  if (current !== undefined) yield current
}

/** Whether a logical line starts with white space: there is nothing before it that it could continue. */
export function startsWithSpace(line: string): boolean {
  return SPACE_REGEXP.test(line)
}

/** The warning for such a line, which is skipped. */
export function spaceWarning(file: string, line: string): string {
  const start = line.length > 30 ? `${line.slice(0, 30)}...` : line
  return `${file}: logical line must not start with whitespace: "${start}"`
}
