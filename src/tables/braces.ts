/** What stands between braces in the names of tables. */
import { balancedBraces } from '#util/split.ts'

/** What stands between the outer braces of `{...}`; `undefined` when it is not that, or empty. */
export function insideBraces(text: string): string | undefined {
  if (!text.startsWith('{') || balancedBraces(text) !== text.length - 1) return undefined
  return text.slice(1, -1) || undefined
}
