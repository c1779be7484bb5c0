/**
 * Where the rules of cidr, regexp and pcre tables come from: the logical lines
 * of a file, or `{ {rule}, {rule} }` written in place of the file name.
 *
 * Source: cidr_table(5), regexp_table(5), pcre_table(5), "inline specification".
 */
import { COMMA_SPACE, splitOutsideBraces, stripBraces } from '#util/split.ts'
import { balancedBraces } from '#util/split.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { log } from '#system/log.ts'
import { openFileTable, readTableFile } from './file-table.ts'
import { logicalLines, spaceWarning, startsWithSpace } from '#util/logical-lines.ts'
import { TableOpenError, type Lookup, type OpenRequest, type Table } from './table.ts'

/** One rule and where it stands; `line` is that of its first physical line, or its number inline. */
export type RuleLine = { readonly text: string; readonly line: number }

function inlineRules(type: string, name: string): RuleLine[] {
  const close = balancedBraces(name)
  if (close === undefined) throw new TableOpenError(`${type} map: missing '}' in "${name}"`)
  if (close < name.length - 1) throw new TableOpenError(`${type} map: syntax error after '}' in "${name}"`)
  return splitOutsideBraces(name.slice(1, -1), COMMA_SPACE).map((item, i) => {
    if (!item.startsWith('{')) throw new TableOpenError(`${type} map: no '{' at start of text in "${item}"`)
    const stripped = stripBraces(item)
    if (stripped.kind === 'error') throw new TableOpenError(`${type} map: ${stripped.reason}`)
    return { text: stripped.text, line: i + 1 }
  })
}

function fileRules(path: string): RuleLine[] {
  const rules: RuleLine[] = []
  for (const { text, first } of logicalLines(decodeRaw(readTableFile(path)))) {
    if (startsWithSpace(text)) log.warning(spaceWarning(path, text))
    else rules.push({ text, line: first })
  }
  return rules
}

/** How one type makes its rules and uses them. */
export type RuleFormat<T> = {
  readonly type: string
  compile(lines: readonly RuleLine[], warn: (line: number, problem: string) => void): T
  find(rules: T, key: string): Lookup
  free?(rules: T): void
}

/**
 * Opens a table of rules from its file or from the text itself.
 *
 * @throws {TableOpenError} The file cannot be read; the inline form is malformed.
 */
export function openRuleTable<T>({ name, spec }: OpenRequest, format: RuleFormat<T>): Table {
  const { type } = format
  const warn = (line: number, problem: string): void => log.warning(`${type} map ${name}, line ${line}: ${problem}`)
  const isInline = name.startsWith('{')
  return openFileTable<T>(spec, isInline ? '' : name, {
    pattern: true,
    load: () => format.compile(isInline ? inlineRules(type, name) : fileRules(name), warn),
    find: (rules, key) => format.find(rules, key),
    free: (rules) => format.free?.(rules),
  })
}
