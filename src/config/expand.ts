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
  ExpressionError, parseExpression, type Branches, type ExpressionNode, type FunctionName, type Relation,
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
 * @throws {ExpressionError} Bad syntax, or a loop; the message is the text of Postfix's warning.
 */
export function expandText(text: string, lookup: NameLookup, options: ExpandOptions = {}): string {
  return expand(text, { lookup, options }, 0)
}

/**
 * Tells `found` every name that `text` refers to, in all branches; each as often as it occurs.
 *
 * @throws {ExpressionError} Bad syntax; names before it have been told.
 */
export function findNames(text: string, found: (name: string) => void): void {
  for (const node of parseExpression(text, found)) {
    if (node.kind === 'function') findNames(node.argument, found)
    if (node.kind === 'relation') findNames(node.relation.left, found)
    if (node.kind === 'relation') findNames(node.relation.right, found)
    if (node.kind === 'literal' || node.kind === 'function') continue
    findNames(node.branches?.present ?? '', found)
    findNames(node.branches?.absent ?? '', found)
  }
}

type Context = { readonly lookup: NameLookup; readonly options: ExpandOptions }

function expand(text: string, context: Context, depth: number): string {
  if (!text.includes('$')) return text
  let result = ''
  for (const node of parseExpression(text)) result += expandNode(node, context, depth)
  return result
}

function expandNode(node: ExpressionNode, context: Context, depth: number): string {
  if (depth > NESTING_MAX) throw new ExpressionError(`unreasonable macro call nesting: "${nodeText(node)}"`)
  switch (node.kind) {
    case 'literal':
      return node.text
    case 'function':
      return FUNCTIONS[node.name](expand(node.argument, context, depth + 1))
    case 'relation': {
      const value = isTrue(node.relation, context, depth) ? 'true' : ''
      return node.branches === undefined ? value : expandBranch(value, node.branches, context, depth)
    }
    case 'name': {
      const value = context.lookup(node.name) ?? ''
      if (node.branches === undefined) return expandValue(value, context, depth)
      return expandBranch(value, node.branches, context, depth)
    }
    default:
      return unreachable(node)
  }
}

function expandBranch(value: string, { present, absent }: Branches, context: Context, depth: number): string {
  return expand((value === '' ? absent : present) ?? '', context, depth + 1)
}

function expandValue(value: string, context: Context, depth: number): string {
  if (context.options.recursive === true) {
    if (!value.includes('$')) return value
    return expand(value, context, depth + 1)
  }
  const { allowed } = context.options
  if (allowed === undefined) return value
  return Array.from(value, (c) => (allowed.includes(c) ? c : '_')).join('')
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

function isTrue({ left, operator, suffix, right }: Relation, context: Context, depth: number): boolean {
  const a = expand(left, context, depth + 1)
  const b = expand(right, context, depth + 1)
  return holds(suffix === 'level' ? compareLevels(a, b) : compareTexts(a, b), operator)
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
