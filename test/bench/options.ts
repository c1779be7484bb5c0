/** The command line of the benchmark; see run.ts. */
import { parseArgs } from 'node:util'
import type { ServerKind } from './installation.ts'

export type Options = {
  readonly cases: readonly string[]
  readonly servers: readonly ServerKind[]
  readonly messages: number | undefined
  readonly repeat: number
  readonly quick: boolean
  readonly sources: boolean
  readonly list: boolean
}

const KINDS: readonly ServerKind[] = ['postfix', 'postfix tuned', 'postfix 3.11', 'posthorn']
const REPEAT = 3

function count(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new RangeError(`Cannot run: --${name} wants a number above 0, not "${text}"`)
  return value
}

function serversOf(text: string | undefined, quick: boolean, withNewest: boolean): ServerKind[] {
  if (text !== undefined) {
    return text.split(',').map((word) => KINDS.find((kind) => kind === word.trim()) ?? unknown('server', word, KINDS))
  }
  const usual: ServerKind[] = quick ? ['postfix', 'posthorn'] : ['postfix', 'postfix tuned', 'posthorn']
  return withNewest ? [...usual, 'postfix 3.11'] : usual
}

function unknown(what: string, word: string, known: readonly string[]): never {
  throw new RangeError(`Cannot run: no ${what} "${word}"; there are ${known.join(', ')}`)
}

/** @throws {RangeError} For a word that makes no sense. */
export function readOptions(args: readonly string[], known: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      case: { type: 'string' }, messages: { type: 'string' }, repeat: { type: 'string' }, servers: { type: 'string' },
      'with-3.11': { type: 'boolean' }, sources: { type: 'boolean' }, quick: { type: 'boolean' }, list: { type: 'boolean' },
    },
  })
  const quick = values.quick === true
  return {
    cases: values.case === undefined ? known : values.case.split(',').map((name) => known.includes(name) ? name : unknown('case', name, known)),
    servers: serversOf(values.servers, quick, values['with-3.11'] === true),
    messages: count(values.messages, 'messages'),
    repeat: quick ? 1 : count(values.repeat, 'repeat') ?? REPEAT,
    quick, sources: values.sources === true, list: values.list === true,
  }
}
