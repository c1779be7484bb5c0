/**
 * The text of main.cf: logical lines, then `name = value`.
 *
 * A line that starts with white space continues the one before it; comments and empty
 * lines between the two do not end it. A `#` counts as a comment only where it is the first
 * character that is not white space. The last definition of a name wins.
 *
 * Source: postconf(5), "General format".
 *
 * @module
 */
import { ConfigError } from './error.ts'

/** One logical line, with the numbers of its first and last physical line, from 1. */
export type LogicalLine = { readonly text: string; readonly first: number; readonly last: number }

/** One definition. `line` is where its logical line starts, the number that Postfix reports. */
export type MainCfEntry = { readonly name: string; readonly value: string; readonly line: number }

/** What parseMainCf() found: every definition in order, and texts of warnings. */
export type MainCf = {
  readonly values: ReadonlyMap<string, string>
  readonly entries: readonly MainCfEntry[]
  readonly warnings: readonly string[]
}

const BLANK_OR_COMMENT_REGEXP = /^[ \t\r\v\f]*(?:#|$)/
const SPACE_REGEXP = /^[ \t\r\v\f]/
const ENTRY_REGEXP = /^([^\s=]*)\s*(=?)\s*([^]*?)\s*$/

/** The logical lines of a configuration file, joined without their line ends. */
export function* logicalLines(text: string): Generator<LogicalLine> {
  let current: { text: string; first: number; last: number } | undefined
  let number = 0
  for (const line of text.split('\n')) {
    number++
    if (BLANK_OR_COMMENT_REGEXP.test(line)) continue
    if (current !== undefined && SPACE_REGEXP.test(line)) {
      current.text += line
      current.last = number
      continue
    }
    if (current !== undefined) yield current
    current = { text: line, first: number, last: number }
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

/**
 * Takes `name = value` apart; white space around both is dropped.
 *
 * @returns The pair, or why there is none, in Postfix's words.
 */
export function splitNameValue(text: string): { name: string; value: string } | { reason: string } {
  const [, name = '', equals = '', value = ''] = ENTRY_REGEXP.exec(text.trimStart()) ?? []
  if (name === '') return { reason: 'missing attribute name' }
  if (equals === '') return { reason: `missing '=' after attribute name` }
  return { name, value }
}

/**
 * Reads the text of main.cf.
 *
 * @param file Path for messages.
 * @throws {ConfigError} A line that is not `name = value`.
 */
export function parseMainCf(text: string, file: string): MainCf {
  const values = new Map<string, string>()
  const entries: MainCfEntry[] = []
  const warnings: string[] = []
  for (const { text: line, first } of logicalLines(text)) {
    if (startsWithSpace(line)) {
      warnings.push(spaceWarning(file, line))
      continue
    }
    const pair = splitNameValue(line)
    if ('reason' in pair) throw new ConfigError(`${file}, line ${first}: ${pair.reason}: "${line}"`)
    const earlier = values.get(pair.name)
    if (earlier !== undefined && earlier !== pair.value) {
      warnings.push(`${file}, line ${first}: overriding earlier entry: ${pair.name}=${earlier}`)
    }
    values.set(pair.name, pair.value)
    entries.push({ name: pair.name, value: pair.value, line: first })
  }
  return { values, entries, warnings }
}
