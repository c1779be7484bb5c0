/**
 * `postconf -C help`: one line about each parameter, of Postfix's and of ours.
 *
 * @module
 */
import { parameterHelp } from '#config/parameters/help/help.ts'
import { isPending } from '#config/parameters/pending.ts'
import { isParameterName } from '#config/parameters/table.ts'
import { deprecationAdvice } from './deprecated.ts'
import type { KnownName } from './names.ts'

/**
 * `name: text` for each of `names`; a name that a service brings has the text of the parameter that is its default.
 *
 * @param warn Gets a text for each name that nothing is known of.
 */
export function* showHelp(
  names: readonly string[], known: ReadonlyMap<string, KnownName>, warn: (text: string) => void,
): Generator<string> {
  for (const name of names) {
    const text = helpOf(name) ?? helpOf(known.get(name)?.initial?.replace(/^\$/, '') ?? '')
    const advice = deprecationAdvice(name)
    if (text === undefined && advice !== undefined) yield `${name}: An old name; instead, ${advice}.\n`
    else if (text !== undefined) yield `${name}: ${text}${isPending(name) ? ' (Without effect in this version.)' : ''}\n`
    else warn(`${name}: ${known.has(name) ? 'no help: the name is of your own making' : 'unknown parameter'}`)
  }
}

function helpOf(name: string): string | undefined {
  return isParameterName(name) ? parameterHelp(name) : undefined
}
