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

/** Texts for "not empty" and "empty"; an absent branch is `undefined`. */
export type Branches = { readonly present: string | undefined; readonly absent: string | undefined }

/** `${{left} operator {right} …}`: `suffix` is `level` or nothing. */
export type Relation = {
  readonly left: string
  readonly operator: string
  readonly suffix: string
  readonly right: string
}

/** One piece of an expression. */
export type ExpressionNode =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'name'; readonly name: string; readonly branches: Branches | undefined }
  | { readonly kind: 'relation'; readonly relation: Relation; readonly branches: Branches | undefined }
  | { readonly kind: 'function'; readonly name: FunctionName; readonly argument: string }

/** Functions that an expression may call. */
export type FunctionName = 'domain_to_ascii' | 'domain_to_utf8'

/** Why an expression cannot be parsed or evaluated; the message is the text of Postfix's warning. */
export class ExpressionError extends ConfigError {}

const CLOSING: Readonly<Record<string, string>> = { '{': '}', '(': ')' }
const OPERATOR_REGEXP = /^[=!<>]+/
const OPERATORS: readonly string[] = ['==', '!=', '<', '<=', '>', '>=']
const OPERATOR_WORDS = '"==" or "!="" or "<"" or "<="" or ">="" or ">"'

/**
 * Takes an expression apart.
 *
 * @param found Gets each name outside branches and operands as soon as it is read, also where an error follows it.
 * @throws {ExpressionError}
 */
export function parseExpression(text: string, found: (name: string) => void = () => {}): ExpressionNode[] {
  const nodes: ExpressionNode[] = []
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
    if (literal !== '') nodes.push({ kind: 'literal', text: literal })
    literal = ''
    const { body, end } = reference(text, dollar + 1)
    nodes.push(parseBody(body, found))
    at = end
  }
  literal += text.slice(at)
  if (literal !== '') nodes.push({ kind: 'literal', text: literal })
  return nodes
}

/** What stands between the braces that open at `start`, or the plain name there. */
function reference(text: string, start: number): { body: string; end: number } {
  const open = text.charAt(start)
  const bracketed = CLOSING[open] !== undefined
  const end = bracketed ? closingIndex(text, start) : start + (/^\w*/.exec(text.slice(start))?.[0].length ?? 0)
  if (end === undefined) throw new ExpressionError(`truncated macro reference: "${text}"`)
  const body = text.slice(bracketed ? start + 1 : start, end)
  if (body === '') throw new ExpressionError(`empty macro name: "${text}"`)
  return { body, end: bracketed ? end + 1 : end }
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

function parseBody(body: string, found: (name: string) => void): ExpressionNode {
  const text = body.trimStart()
  return text.startsWith('{') ? parseRelation(text) : parseNamed(text, found)
}

function parseNamed(text: string, found: (name: string) => void): ExpressionNode {
  const name = /^[\w.]*/.exec(text)?.[0] ?? ''
  const rest = text.slice(name.length).trimStart()
  if (/^(?:[?:]|$)/.test(rest)) found(name)
  if (rest === '') return { kind: 'name', name, branches: undefined }
  if (rest.startsWith('{')) {
    if (!isFunctionName(name)) {
      throw new ExpressionError(`unknown function "${name}" at"...>>>${`${name}${rest}`.slice(0, 20)}"`)
    }
    const argument = payload(rest)
    if (argument.rest !== '') throw unexpected(argument)
    return { kind: 'function', name, argument: argument.text }
  }
  if (!/^[?:]/.test(rest)) throw failure('attribute name syntax error', name, rest)
  return { kind: 'name', name, branches: parseBranches(rest) }
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
    throw failure('"{expression}" expected', `{${left.text}} ${operator}${suffix}`, tail)
  }
  const right = payload(tail.trimStart())
  const relation = { left: left.text, operator, suffix, right: right.text }
  if (right.rest === '') return { kind: 'relation', relation, branches: undefined }
  if (!/^[?:]/.test(right.rest)) throw failure('"?" or ":" expected', '}', right.rest)
  return { kind: 'relation', relation, branches: parseBranches(right.rest) }
}

/** What follows a name or a relation, from its `?` or `:` on. */
function parseBranches(text: string): Branches {
  const operator = text.charAt(0)
  const first = branchText(text.slice(1))
  if (operator === ':') {
    if (first.rest !== '') throw unexpected(first)
    return { present: undefined, absent: first.text }
  }
  if (first.rest === '') return { present: first.text, absent: undefined }
  if (!first.rest.startsWith(':')) throw failure('":" expected', `${first.text}}`, first.rest)
  const second = branchText(first.rest.slice(1))
  if (second.rest !== '') throw unexpected(second)
  return { present: first.text, absent: second.text }
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
  if (end === undefined) throw failure('"}" expected', text, '')
  return { text: text.slice(1, end), rest: text.slice(end + 1).trimStart() }
}

function unexpected({ text, rest }: Payload): ExpressionError {
  return failure('unexpected input', `${text}}`, rest)
}

function failure(what: string, before: string, after: string): ExpressionError {
  return new ExpressionError(`${what} at: "...${before}>>>${after.slice(0, 20)}"`)
}
