/**
 * Logical lines of a table's source: comments out, continuations joined.
 *
 * A line that starts with white space continues the one before it, as it
 * stands, its white space included. Empty lines, and lines whose first
 * non-blank character is `#`, are dropped, also inside a logical line.
 *
 * Source: postconf(5), main.cf; postmap(1), table format; regexp_table(5).
 */

/** One logical line and the numbers, from 1, of its first and last physical line. */
export type LogicalLine = { readonly text: string; readonly first: number; readonly last: number }

const BLANK_OR_COMMENT = /^[ \t\r\v\f]*(?:#|$)/
const STARTS_BLANK = /^[ \t\r\v\f]/

/** The logical lines of `source`, in order. Leading white space of the first line stays. */
export function* logicalLines(source: string): Generator<LogicalLine> {
  let current: { text: string; first: number; last: number } | undefined
  let number = 0
  for (let start = 0; start < source.length; ) {
    const newline = source.indexOf('\n', start)
    const end = newline < 0 ? source.length : newline
    const line = source.slice(start, end)
    start = end + 1
    number++
    if (BLANK_OR_COMMENT.test(line)) continue
    if (current !== undefined && STARTS_BLANK.test(line)) {
      current.text += line
      current.last = number
      continue
    }
    if (current !== undefined) yield current
    current = { text: line, first: number, last: number }
  }
  if (current !== undefined) yield current
}
