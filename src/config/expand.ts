/**
 * Values of `$name` expressions: main.cf's own, and the smaller languages of
 * parameters that a daemon expands with names of its own (forward_path, default_rbl_reply …).
 *
 * Expansion is lazy: only the branch taken is looked at. `${name?…}` and `${name:…}` ask
 * whether the text of `name` is empty *before* its own expansion.
 *
 * Source: postconf(5), "General format", and compatibility_level.
 *
 * @module
 */
import { domainToASCII, domainToUnicode } from 'node:url'
import { unreachable } from '#util/unreachable.ts'
import { ConfigError } from './error.ts'
import {
  branchesOf, emptyName, ExpressionError, parsePiece, piecesOf, type ExpressionNode, type ExpressionPiece, type FunctionName,
  type Relation,
} from './expression.ts'

/** The text of a name, or `undefined` when nothing defines it. */
export type NameLookup = (name: string) => string | undefined

/** How expandText() treats what it finds. */
export type ExpandOptions = {
  /** Whether the text of a name is itself expanded. Default: no. */
  readonly recursive?: boolean
  /** Characters that the text of a name may hold; any other becomes `_`. Default: all. */
  readonly allowed?: string
}

/** Deepest nesting of names in names; more is taken for a loop. */
const NESTING_MAX = 100

/** Numbers of a relation beyond this end the program, as they overflow Postfix's. */
const NUMBER_MAX = 9_223_372_036_854_775_807n

const FUNCTIONS: Readonly<Record<FunctionName, (text: string) => string>> = {
  domain_to_ascii: (text) => convertDomain(text, /[\u0080-\uffff]/, domainToASCII),
  domain_to_utf8: (text) => convertDomain(text, /(?:^|\.)xn--/i, domainToUnicode),
}

/**
 * Expands `text`.
 *
 * @throws {ExpressionError} Bad syntax, or a loop; `warnings` are Postfix's, and the message is the first of them.
 */
export function expandText(text: string, lookup: NameLookup, options: ExpandOptions = {}): string {
  if (!text.includes('$')) return text
  const warnings: string[] = []
  const result = expand(text, { lookup, options, scan: false, failed: (warning) => { warnings.push(warning) } }, 0)
  if (result === undefined) throw new ExpressionError(warnings[0] ?? '', warnings)
  return result
}

/**
 * Tells `found` every name that `text` refers to, in all branches; each as often as it occurs.
 *
 * @param failed Gets the text of each syntax error.
 */
export function findNames(text: string, found: (name: string) => void, failed: (text: string) => void = () => {}): void {
  const lookup = (name: string): undefined => { found(name) }
  expand(text, { lookup, options: {}, scan: true, failed }, 0)
}

/** `scan`: every branch is looked at, and no value. */
type Context = {
  readonly lookup: NameLookup
  readonly options: ExpandOptions
  readonly scan: boolean
  readonly failed: (text: string) => void
}

/** `undefined` after an error. */
type Result = string | undefined

/** `hasFailed`: after an error before `text`, which is then only looked through. */
function expand(text: string, context: Context, depth: number, hasFailed = false): Result {
  if (!text.includes('$')) return hasFailed ? undefined : text
  let result: Result = hasFailed ? undefined : ''
  try {
    for (const piece of piecesOf(text)) {
      // After an error, what follows is still looked through for another, up to the next brackets, as in Postfix.
      if (result === undefined && piece.kind === 'bracketed') return undefined
      if (piece.text === '') throw emptyName(text)
      if (result === undefined) {
        if (depth > NESTING_MAX) context.failed(tooDeep(piece.text))
        continue
      }
      const part = expandPiece(piece, context, depth)
      result = part === undefined ? undefined : result + part
    }
    return result
  } catch (error) {
    return told(error, context)
  }
}

function expandPiece(piece: ExpressionPiece, context: Context, depth: number): Result {
  try {
    return expandNode(parsePiece(piece), context, depth)
  } catch (error) {
    return told(error, context)
  }
}

/** Tells what is wrong with an expression; other errors go on. */
function told(error: unknown, { failed }: Context): undefined {
  if (!(error instanceof ExpressionError)) throw error
  failed(error.message)
}

function expandNode(node: ExpressionNode, context: Context, depth: number): Result {
  if (depth > NESTING_MAX) throw new ExpressionError(tooDeep(nodeText(node)))
  switch (node.kind) {
    case 'literal':
      return node.text
    case 'function': {
      const argument = expand(node.argument, context, depth + 1)
      return argument === undefined || context.scan ? argument : FUNCTIONS[node.name](argument)
    }
    case 'relation': {
      const value = truth(node.relation, context, depth)
      return value === undefined || node.branches === '' ? value : expandBranches(value, node.branches, context, depth)
    }
    case 'name': {
      const value = context.lookup(node.name) ?? ''
      return node.branches === '' ? expandValue(value, context, depth) : expandBranches(value, node.branches, context, depth)
    }
    default:
      return unreachable(node)
  }
}

function expandBranches(value: string, branches: string, context: Context, depth: number): Result {
  const taken = value === '' ? 'absent' : 'present'
  let result: Result = ''
  for (const { kind, text } of branchesOf(branches)) {
    if (!context.scan && kind !== taken) continue
    result = expand(text, context, depth + 1, result === undefined)
  }
  return result
}

function expandValue(value: string, context: Context, depth: number): Result {
  if (context.options.recursive === true) return expand(value, context, depth + 1)
  const { allowed } = context.options
  if (allowed === undefined) return value
  return Array.from(value, (c) => (allowed.includes(c) ? c : '_')).join('')
}

function tooDeep(text: string): string {
  return `unreasonable macro call nesting: "${text}"`
}

function nodeText(node: ExpressionNode): string {
  if (node.kind === 'literal') return node.text
  return node.kind === 'relation' ? node.relation.left : node.name
}

/** A domain in its other form; an address or name that has no other form stays as it is. */
function convertDomain(text: string, needed: RegExp, convert: (domain: string) => string): string {
  if (!needed.test(text)) return text
  const converted = convert(text)
  if (converted === '') throw new ConfigError(`bad domain argument in: '${text}'`)
  return converted
}

/**
 * `true`, or nothing. Both operands are expanded, also when the first one fails. Their nesting counts on; where
 * Postfix counts from the start again, and dies of a loop that goes through an operand.
 */
function truth({ left, operator, suffix, right }: Relation, context: Context, depth: number): Result {
  const a = expand(left, context, depth + 1)
  const b = expand(right, context, depth + 1)
  if (a === undefined || b === undefined) return undefined
  if (context.scan) return ''
  return holds(suffix === 'level' ? compareLevels(a, b) : compareTexts(a, b), operator) ? 'true' : ''
}

function holds(order: number, operator: string): boolean {
  switch (operator) {
    case '==': return order === 0
    case '!=': return order !== 0
    case '<': return order < 0
    case '<=': return order <= 0
    case '>': return order > 0
    default: return order >= 0
  }
}

/** Numbers compare as numbers when both sides are digits only; otherwise by code point. */
function compareTexts(a: string, b: string): number {
  if (/^\d+$/.test(a) && /^\d+$/.test(b)) return compare(toNumber(a), toNumber(b))
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function toNumber(digits: string): bigint {
  const number = BigInt(digits)
  if (number > NUMBER_MAX) throw new ConfigError(`mac_exp_eval: bad conversion: ${digits}`)
  return number
}

function compare(a: bigint | number, b: bigint | number): number {
  return a < b ? -1 : Number(a > b)
}

/** Compares `3`, `3.6` and `3.6.1` part by part; parts left out are 0. */
function compareLevels(a: string, b: string): number {
  const left = levelParts(a)
  const right = levelParts(b)
  for (let i = 0; i < 3; i++) {
    const order = compare(left[i] ?? 0, right[i] ?? 0)
    if (order !== 0) return order
  }
  return 0
}

function levelParts(text: string): number[] {
  if (!/^\d+(?:\.\d+){0,2}$/.test(text)) throw new ExpressionError(`malformed compatibility level syntax: "${text}"`)
  return text.split('.').map(Number)
}
