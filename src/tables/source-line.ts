/**
 * The source format of indexed tables: `key whitespace value`.
 *
 * White space inside double quotes and after a backslash belongs to the key;
 * quotes and backslashes stay as they are. Shared by postmap and texthash.
 *
 * Source: postmap(1), table format.
 */
import { spaceWarning } from '#util/logical-lines.ts'

/** What a logical line says. `problem` is worded as postmap words it, without file and line. */
export type SourceLine =
  | { readonly kind: 'entry'; readonly key: string; readonly value: string; readonly looksLikeAlias: boolean }
  | { readonly kind: 'problem'; readonly problem: SourceProblem }

const SPACE = /[ \t\r\v\f\n]/

function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d)
}

/** What ends a key, or makes its end harder to find. */
const SPACE_OR_QUOTE = /[ \t\r\v\f\n"\\]/

/** Where the key ends, or `undefined` when a quote stays open. */
function keyEnd(text: string): number | undefined {
  const first = text.search(SPACE_OR_QUOTE)
  if (first < 0) return text.length
  if (text[first] !== '"' && text[first] !== '\\') return first
  let quoted = false
  let i = first
  for (; i < text.length; i++) {
    const c = text.charAt(i)
    if (c === '\\') {
      if (i + 1 < text.length) i++
    } else if (c === '"') {
      quoted = !quoted
    } else if (!quoted && SPACE.test(c)) {
      break
    }
  }
  return quoted ? undefined : i
}

/** Reads one logical line. */
export function parseSourceLine(text: string): SourceLine {
  if (isSpace(text.charCodeAt(0))) return { kind: 'problem', problem: 'leading space' }
  const end = keyEnd(text)
  if (end === undefined) return { kind: 'problem', problem: 'quote' }
  const key = text.slice(0, end)
  const value = text.slice(end).trim()
  if (key === '' || value === '') return { kind: 'problem', problem: 'format' }
  return { kind: 'entry', key, value, looksLikeAlias: key.endsWith(':') }
}

/** Why a logical line is no entry. */
export type SourceProblem = 'format' | 'quote' | 'leading space'

/** The warning for a line that is not an entry; `file` as the admin named it. */
export function problemText(file: string, line: number, text: string, problem: SourceProblem): string {
  if (problem === 'leading space') return spaceWarning(file, text)
  if (problem === 'quote') return `${file}, line ${line}: unbalanced '"' in '${text}' -- ignoring this line`
  return `${file}, line ${line}: expected format: key whitespace value`
}
