/** Fuzz target: text that tables are made of: sources, rules, match lists, aliases. */
import { parseRange, formatAddress, parseAddress } from '#tables/address-range.ts'
import { logicalLines } from '#util/logical-lines.ts'
import { parseRule } from '#tables/pattern/rule-syntax.ts'
import { compileTranslated } from '#tables/pattern/pcre-translate.ts'
import { ExpressionError } from '#tables/pattern/matcher.ts'
import { parseReplacement } from '#tables/pattern/replacement.ts'
import { parseSourceLine } from '#tables/source-line.ts'
import { decodeRaw } from '#util/raw-text.ts'

function translate(expression: string): void {
  try {
    compileTranslated(expression, new Set('is'))
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
  }
}

/** Gives each logical line to every reader of lines. */
export function target(bytes: Uint8Array): void {
  for (const { text } of logicalLines(decodeRaw(bytes))) {
    const entry = parseSourceLine(text)
    if (entry.kind === 'entry' && !text.startsWith(entry.key)) throw new Error('the key is not the start of the line')
    for (const second of [true, false]) {
      const rule = parseRule(text, { options: 'imsxAEUX', second, skipping: 'skipping' })
      if (rule.kind !== 'rule') continue
      parseReplacement(rule.result, 3)
      for (const { expression } of rule.patterns) translate(expression)
    }
    for (const word of text.split(/\s+/)) {
      parseRange(word)
      const address = parseAddress(word)
      if (address !== undefined && formatAddress(parseAddress(formatAddress(address)) ?? []) !== formatAddress(address)) {
        throw new Error('an address changes when it is written')
      }
    }
  }
}
