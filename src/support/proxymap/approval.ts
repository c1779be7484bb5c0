/**
 * Which tables the service may open: those that proxy_read_maps or proxy_write_maps name with `proxy:`.
 *
 * Words are what they are in all those parameters whose values are listed there: tables, restrictions, and
 * `{ check_x_access ... }` with options, of which the first word counts. Tables in `unionmap:{...}` and `pipemap:{...}` are
 * looked at one by one.
 *
 * Source: postconf(5), proxy_read_maps, proxy_write_maps.
 *
 * @module
 */
import { log } from '#system/log.ts'
import { unproxied } from '#tables/proxy.ts'
import { COMMA_SPACE, splitOutsideBraces, stripBraces } from '#util/split.ts'

/** Lists nested in lists nested in lists: nobody writes more than this. */
const DEPTH_MAX = 20
const NESTED_REGEXP = /^(?:unionmap|pipemap):(?=\{)/

function collect(text: string, parameter: string, approved: Set<string>, depth: number): void {
  if (depth > DEPTH_MAX) return
  for (const word of splitOutsideBraces(text, COMMA_SPACE)) {
    const name = word.startsWith('{') ? firstInside(word, parameter) : word
    if (name === undefined) continue
    if (NESTED_REGEXP.test(name)) {
      const inside = stripped(name.replace(NESTED_REGEXP, ''), parameter)
      if (inside !== undefined) collect(inside, parameter, approved, depth + 1)
    } else if (name.startsWith('proxy:') && unproxied(name).includes(':')) {
      approved.add(unproxied(name))
    }
  }
}

function stripped(word: string, parameter: string): string | undefined {
  const text = stripBraces(word)
  if (text.kind !== 'error') return text.text
  log.warning(`bad ${parameter} parameter value: ${text.reason}`)
  return undefined
}

function firstInside(word: string, parameter: string): string | undefined {
  const inside = stripped(word, parameter)
  return inside === undefined ? undefined : splitOutsideBraces(inside, COMMA_SPACE)[0]
}

/**
 * The tables that a value approves, without `proxy:`.
 *
 * @param parameter Its name, for warnings.
 * @param value With all `$name` expanded.
 */
export function approvedTables(parameter: string, value: string): ReadonlySet<string> {
  const approved = new Set<string>()
  collect(value, parameter, approved, 0)
  return approved
}
