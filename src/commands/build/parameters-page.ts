/**
 * postconf(5): the manual page of all parameters, made from the one table.
 *
 * @module
 */
import { parameterHelp } from '#config/parameters/help/help.ts'
import { INFORMATION, isPending } from '#config/parameters/pending.ts'
import { isParameterName, PARAMETERS } from '#config/parameters/table.ts'
import type { Parameter } from '#config/parameter.ts'
import { roff } from './manual.ts'

const KINDS: Readonly<Record<Parameter['kind'], string>> = {
  str: 'text', raw: 'text, expanded where it is used', int: 'number', nint: 'number', long: 'number', bool: 'yes or no', nbool: 'yes or no',
  time: 'time',
}

/** The page in man(7). */
export function parametersPage(version: string): string {
  const lines = [
    `.TH POSTCONF 5 "" "Posthorn ${version}" "Posthorn manual"`, '.SH NAME', 'postconf \\- parameters of main.cf', '.SH DESCRIPTION',
    roff('Each with its default, its kind and bounds, and what it does. `postconf -C help name` says the same.'),
  ]
  for (const [name, parameter] of Object.entries<Parameter>(PARAMETERS).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push('.TP', `.B ${roff(name)} = ${roff(parameter.initial)}`, `${roff(textOf(name))} ${roff(factsOf(name, parameter))}`)
  }
  return `${lines.join('\n')}\n`
}

function textOf(name: string): string {
  return (isParameterName(name) ? parameterHelp(name) : undefined) ?? ''
}

function factsOf(name: string, { kind, min, max, class: own }: Parameter): string {
  const isText = kind === 'str' || kind === 'raw'
  const bounds = [...(min !== 0 ? [isText ? 'not empty' : `at least ${min}`] : []), ...(max !== 0 ? [`at most ${max}`] : [])]
  const notes = [...(own === 'extension' ? ["Posthorn's own"] : []), ...(isPending(name) ? ['without effect in this version'] : [])]
  return `(${[KINDS[kind], ...bounds, ...notes, ...(INFORMATION.has(name) ? ['information for other programs'] : [])].join('; ')})`
}
