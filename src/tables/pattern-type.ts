/**
 * Whether a table takes whole keys only, told by its name: for tables that another process opens.
 *
 * @module
 */
import { splitOutsideBraces } from '#util/split.ts'
import { insideBraces } from './braces.ts'

const PATTERN_TYPES: ReadonlySet<string> = new Set(['cidr', 'fail', 'pcre', 'randmap', 'regexp', 'socketmap', 'tcp'])
/** Types whose members decide, and types that only pass on. */
const COMPOSITE_TYPES: ReadonlySet<string> = new Set(['pipemap', 'unionmap'])
const WRAPPER_TYPES: ReadonlySet<string> = new Set(['debug', 'proxy'])

/** What `Table.pattern` of an open table `spec` is. */
export function isPatternSpec(spec: string): boolean {
  const colon = spec.indexOf(':')
  const type = spec.slice(0, colon)
  const name = spec.slice(colon + 1)
  if (WRAPPER_TYPES.has(type)) return isPatternSpec(name)
  if (!COMPOSITE_TYPES.has(type)) return PATTERN_TYPES.has(type)
  return splitOutsideBraces(insideBraces(name) ?? '').every(isPatternSpec)
}
