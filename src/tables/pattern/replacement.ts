/**
 * Results of regexp and pcre rules: text with `$1`, `${1}`, `$(1)` for groups and `$$` for a dollar.
 *
 * Source: regexp_table(5), pcre_table(5), "text substitution".
 */
import type { Groups } from './matcher.ts'

/** Literal texts and group numbers, in order. */
export type Replacement = readonly (string | number)[]

/** A parsed result, or the problems to report: the rule is then skipped. `macro` is reported before, without file and line. */
export type ReplacementText =
  | { readonly kind: 'ok'; readonly parts: Replacement }
  | { readonly kind: 'error'; readonly problems: readonly string[]; readonly macro?: string }

const REFERENCE = /\$(?:(\$)|\{([^}]*)\}|\(([^)]*)\)|(\w+))/y

const BAD_SYNTAX = 'bad replacement syntax'

/** What is wrong with the `$` at `at`, in the words of Postfix's macro parser. */
function macroProblem(text: string, at: number): string {
  const isOpen = '{('.includes(text.charAt(at + 1)) && at + 1 < text.length
  return `${isOpen ? 'truncated macro reference' : 'empty macro name'}: "${text}"`
}

/** Reads the result of a rule whose expression has `groupCount` groups. */
export function parseReplacement(text: string, groupCount: number): ReplacementText {
  const parts: (string | number)[] = []
  let rest = 0
  for (let dollar = text.indexOf('$'); dollar >= 0; dollar = text.indexOf('$', rest)) {
    if (dollar > rest) parts.push(text.slice(rest, dollar))
    REFERENCE.lastIndex = dollar
    const match = REFERENCE.exec(text)
    if (match === null) return { kind: 'error', problems: [BAD_SYNTAX], macro: macroProblem(text, dollar) }
    rest = dollar + match[0].length
    if (match[1] !== undefined) {
      parts.push('$')
      continue
    }
    const name = match[2] ?? match[3] ?? match[4] ?? ''
    if (!/^\d+$/.test(name)) return { kind: 'error', problems: [`non-numeric replacement index "${name}"`, BAD_SYNTAX] }
    const index = Number(name)
    if (index < 1 || index > groupCount) {
      return { kind: 'error', problems: [`out of range replacement index "${name}"`] }
    }
    parts.push(index)
  }
  if (rest < text.length) parts.push(text.slice(rest))
  return { kind: 'ok', parts }
}

/** Whether a group is used, so that the engine has to tell where groups are. */
export function usesGroups(parts: Replacement): boolean {
  return parts.some((part) => typeof part === 'number')
}

/** The result for one match. */
export function expandReplacement(parts: Replacement, groups: Groups): string {
  return parts.map((part) => (typeof part === 'number' ? groups(part) : part)).join('')
}
