/**
 * The syntax of `$name` expressions, as a tree; config/expand.ts gives them their values.
 *
 *     $name  ${name}  $(name)  $$
 *     ${name?text}  ${name:text}  ${name?{text}:{text}}
 *     ${{left} op {right} ? {text} : {text}}      op: == != < <= > >=, or <level and so on
 *     ${function{text}}
 *
 * Text in a branch or an operand is kept as it stands: it is parsed when it is needed, so
 * that an error in a branch not taken does no harm.
 *
 * Source: postconf(5), "General format"; error texts as `postconf -x` prints them.
 *
 * @module
 */
import { ConfigError } from './error.ts'

/** `{left} operator {right}`: `suffix` is `level` or nothing. */
export type Relation = {
  readonly left: string
  readonly operator: string
  readonly suffix: string
  readonly right: string
}

/** One piece of an expression; `branches` is what branchesOf() reads, from the `?` or `:` on, if there is one. */
export type ExpressionNode =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string; readonly branches: string }
  | { readonly kind: 'relation'; readonly relation: Relation; readonly branches: string }
  | { readonly kind: 'function'; readonly name: FunctionName; readonly argument: string }

/** Text for "not empty" or for "empty". */
export type Branch = { readonly kind: 'present' | 'absent'; readonly text: string }

/** Functions that an expression may call. */
export type FunctionName = 'domain_to_ascii' | 'domain_to_utf8'

/** Why an expression cannot be parsed or evaluated; the message is the text of Postfix's warning, or of the first one. */
export class ExpressionError extends ConfigError {}

/** How much an error text shows of what follows. */
const SHOWN_BYTES = 20

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')' }
/** What may look like an operator; only those of OPERATORS are. */
const OPERATOR_REGEXP = /^[<>!=?+\-*/~&|%]+/
const OPERATORS: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']
const OPERATOR_WORDS = '"==" or "!="" or "<"" or "<="" or ">="" or ">"'

/**
 * What stands between two references, or the text of a reference: a name, or between brackets anything such as
 * `name?text`, or nothing.
 */
export type ExpressionPiece = { readonly kind: 'literal' | 'name' | 'bracketed'; readonly text: string }

/**
 * Takes an expression apart, one piece at a time: an error shows when its turn has come.
 *
 * @throws {ExpressionError}
 */
export function* piecesOf(text: string): Generator<ExpressionPiece> {
  let literal = ''
  let at = 0
  while (at < text.length) {
    const dollar = text.indexOf('$', at)
    if (dollar < 0) break
    literal += text.slice(at, dollar)
    if (text[dollar + 1] === '$') {
      literal += '$'
      at = dollar + 2
      continue
    }
    if (literal !== '') yield { kind: 'literal', text: literal }
    literal = ''
    const { kind, body, end } = reference(text, dollar + 1)
    yield { kind, text: body }
    at = end
  }
  literal += text.slice(at)
  if (literal !== '') yield { kind: 'literal', text: literal }
}

/** Why a reference without a name is none; `text` is the whole expression. */
export function emptyName(text: string): ExpressionError {
  return new ExpressionError(`empty macro name: "${text}"`)
}

/** What stands between the braces that open at `start`, or the plain name there. */
function reference(text: string, start: number): { kind: 'name' | 'bracketed'; body: string; end: number } {
  const open = text.charAt(start)
  const bracketed = CLOSING[open] !== undefined
  const end = bracketed ? closingIndex(text, start) : start + (/^\w*/.exec(text.slice(start))?.[0].length ?? 0)
  if (end === undefined) throw new ExpressionError(`truncated macro reference: "${text}"`)
  if (end === start) throw emptyName(text)
  if (!bracketed) return { kind: 'name', body: text.slice(start, end), end }
  return { kind: 'bracketed', body: text.slice(start + 1, end), end: end + 1 }
}

/** Where the bracket at `start` is closed. */
function closingIndex(text: string, start: number): number | undefined {
  const open = text.charAt(start)
  let level = 0
  for (let i = start; i < text.length; i++) {
    if (text[i] === open) level++
    else if (text[i] === CLOSING[open] && --level === 0) return i
  }
  return undefined
}

/** Reads a piece. @throws {ExpressionError} */
export function parsePiece(piece: ExpressionPiece): ExpressionNode {
  if (piece.kind === 'literal') return { kind: 'literal', text: piece.text }
  const text = piece.text.trimStart()
  return text.startsWith('{') ? parseRelation(text) : parseNamed(piece.text)
}

function parseNamed(body: string): ExpressionNode {
  const [before = '', name = ''] = /^\s*(\w*)/.exec(body) ?? []
  const tail = body.slice(before.length)
  const rest = tail.trimStart()
  if (rest === '' || /^[?:]/.test(rest)) return { kind: 'name', name, branches: rest }
  if (!rest.startsWith('{')) throw failure('attribute name syntax error', before, tail)
  const { text, rest: after } = payload(rest)
  const argument = text.trim()
  // After an empty argument Postfix trims what follows.
  if (after !== '') throw unexpected({ text: argument, rest: argument === '' ? after.trimEnd() : after })
  if (isFunctionName(name)) return { kind: 'function', name, argument }
  throw new ExpressionError(`unknown function "${name}" at"...>>>${name}{${argument}}"`)
}

function isFunctionName(name: string): name is FunctionName {
  return name === 'domain_to_ascii' || name === 'domain_to_utf8'
}

function parseRelation(text: string): ExpressionNode {
  const left = payload(text)
  const operator = OPERATOR_REGEXP.exec(left.rest)?.[0] ?? ''
  if (!OPERATORS.includes(operator)) throw failure(`${OPERATOR_WORDS} expected`, `${left.text}}`, left.rest)
  const afterOperator = left.rest.slice(operator.length)
  const suffix = /^[A-Za-z0-9]*/.exec(afterOperator)?.[0] ?? ''
  if (suffix !== '' && suffix !== 'level') throw failure('bad operator suffix', operator, suffix)
  const tail = afterOperator.slice(suffix.length)
  if (!tail.trimStart().startsWith('{')) {
    throw failure('"{expression}" expected', `{${left.text}} ${operator}`, tail)
  }
  const right = payload(tail.trimStart())
  return { kind: 'relation', relation: { left: left.text, operator, suffix, right: right.text }, branches: right.rest }
}

/**
 * Reads the branches of a name or a relation, one at a time: an error shows when its turn has come.
 *
 * @throws {ExpressionError}
 */
export function* branchesOf(text: string): Generator<Branch> {
  const operator = text.charAt(0)
  if (operator !== '?' && operator !== ':') throw failure('"?" or ":" expected', '}', text)
  const first = branchText(text.slice(1))
  yield { kind: operator === '?' ? 'present' : 'absent', text: first.text }
  if (first.rest === '') return
  if (operator === ':') throw unexpected(first)
  if (!first.rest.startsWith(':')) throw failure('":" expected', `${first.text}}`, first.rest)
  const second = branchText(first.rest.slice(1))
  yield { kind: 'absent', text: second.text }
  if (second.rest !== '') throw unexpected(second)
}

type Payload = { readonly text: string; readonly rest: string }

/** `{text}`, or without a brace all that is left. */
function branchText(text: string): Payload {
  const trimmed = text.trimStart()
  return trimmed.startsWith('{') ? payload(trimmed) : { text, rest: '' }
}

/** The text in the braces that `text` starts with, and what follows without leading white space. */
function payload(text: string): Payload {
  const end = closingIndex(text, 0)
  if (end === undefined) throw new ExpressionError(`unbalanced {} in attribute expression: "${text}"`)
  return { text: text.slice(1, end), rest: text.slice(end + 1).trimStart() }
}

function unexpected({ text, rest }: Payload): ExpressionError {
  return failure('unexpected input', `${text}}`, rest)
}

function failure(what: string, before: string, after: string): ExpressionError {
  return new ExpressionError(`${what} at: "...${before}>>>${shortened(after)}"`)
}

/** At most 20 bytes; a character cut in two shows as a question mark. */
function shortened(text: string): string {
  return Buffer.from(text).subarray(0, SHOWN_BYTES).toString().replace(/\ufffd$/, '?')
}
