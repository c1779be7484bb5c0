/** Expressions of main.cf: each line expands, or is refused with an ExpressionError; looking for names never fails. */
import assert from 'node:assert/strict'
import { ConfigError } from '#config/error.ts'
import { expandText, findNames } from '#config/expand.ts'

const NAMES: Readonly<Record<string, string>> = { va: 'x', vb: '$va$va', vc: '10', empty: '', blank: '$empty', la: '$lb', lb: 'x $la' }
const lookup = (name: string) => (Object.hasOwn(NAMES, name) ? NAMES[name] : undefined)

/** Takes each line of `bytes` for an expression. */
export function target(bytes: Uint8Array): void {
  for (const line of new TextDecoder().decode(bytes).split('\n')) {
    const errors: string[] = []
    findNames(line, (name) => assert.match(name, /^\w*$/), (text) => errors.push(text))
    expandOrRefuse(line, errors.length === 0)
  }
}

/** A line that is well-formed throughout fails only for what its values are. */
function expandOrRefuse(line: string, isWellFormed: boolean): void {
  try {
    expandText(line, lookup, { recursive: true })
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    const isOfValue = /nesting|level syntax|bad conversion|bad domain/.test(error.message)
    if (isWellFormed && !isOfValue) throw new Error(`refused, though it is well-formed: ${line}`, { cause: error })
  }
}
