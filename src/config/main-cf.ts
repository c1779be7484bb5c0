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
import { logicalLines, spaceWarning, startsWithSpace } from '#util/logical-lines.ts'
import { ConfigError } from './error.ts'

/** One definition. `line` is where its logical line starts, the number that Postfix reports. */
export type MainCfEntry = { readonly name: string; readonly value: string; readonly line: number }

/** What parseMainCf() found: every definition in order, and texts of warnings. */
export type MainCf = {
  readonly values: ReadonlyMap<string, string>
  readonly entries: readonly MainCfEntry[]
  readonly warnings: readonly string[]
}

const ENTRY_REGEXP = /^([^\s=]*)\s*(=?)\s*([^]*?)\s*$/

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
