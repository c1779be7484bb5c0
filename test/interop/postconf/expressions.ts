/** Generators of main.cf expressions: well-formed ones, and some that are not. */
import fc from 'fast-check'

/** Definitions that the expressions refer to. */
export const DEFINITIONS = [
  'va = x', 'vb = $va$va', 'vc = 10', 'empty =', 'blank = ${empty}', 'lv = 3.6', 'a1 = va', 'Big = 4294967296', 'compatibility_level = 3.6',
].map((line) => `${line}\n`).join('')

const NAMES = ['va', 'vb', 'vc', 'empty', 'blank', 'lv', 'a1', 'Big', 'nosuch', 'mydomain', 'compatibility_level'] as const
const OPERATORS = ['==', '!=', '<', '<=', '>', '>='] as const

const literal = fc.stringMatching(/^[a-zA-Z0-9.,:?@ /=<>!()\u00fc-]{0,6}$/)
const plain = fc.stringMatching(/^[a-z0-9.]{0,4}$/)
const number = fc.oneof(fc.nat(20).map(String), fc.constantFrom('007', '4294967296', '9223372036854775807', '10', '9'))
const level = fc.oneof(
  fc.constantFrom('0', '1', '2', '3', '3.6', '3.10', '3.6.0', '3.6.1', '3.11', '$lv', '$compatibility_level'),
  fc.tuple(fc.nat(4), fc.nat(12)).map(([major, minor]) => `${major}.${minor}`),
)
const name = fc.constantFrom(...NAMES)
const operator = fc.constantFrom(...OPERATORS)
const space = fc.constantFrom('', '', ' ', '  ', '\t')

type Parts = { expression: string; piece: string; branch: string; operand: string }

/** Any form of 3.11, nested a few levels deep. */
export const wellFormed: fc.Arbitrary<string> = fc.letrec<Parts>((tie) => ({
  expression: fc.array(tie('piece'), { minLength: 1, maxLength: 3, depthIdentifier: 'depth' })
    .map((pieces) => pieces.join('')),
  piece: fc.oneof(
    { depthIdentifier: 'depth', maxDepth: 4, withCrossShrink: true },
    literal,
    fc.constant('$$'),
    fc.tuple(name, fc.constantFrom('', ' ', '-', '.', '/')).map(([one, end]) => `$${one}${end}`),
    fc.tuple(space, name, space).map(([before, one, after]) => `\${${before}${one}${after}}`),
    name.map((one) => `$(${one})`),
    fc.tuple(name, fc.constantFrom('?', ':'), plain).map(([one, op, text]) => `\${${one}${op}${text}}`),
    fc.tuple(name, fc.constantFrom('?', ':'), plain).map(([one, op, text]) => `$(${one}${op}${text})`),
    fc.tuple(name, fc.constantFrom('?', ':'), tie('branch')).map(([one, op, text]) => `\${${one}${op}{${text}}}`),
    fc.tuple(name, tie('branch'), space, tie('branch')).map(([one, a, gap, b]) => `\${${gap}${one}${gap}?${gap}{${a}}${gap}:${gap}{${b}}}`),
    fc.tuple(name, tie('branch'), plain).map(([one, a, b]) => `\${${one}?{${a}}:${b}}`),
    fc.tuple(tie('operand'), space, operator, tie('operand')).map(([a, gap, op, b]) => `\${{${a}}${gap}${op}${gap}{${b}}}`),
    fc.tuple(tie('operand'), operator, tie('operand'), tie('branch'), tie('branch'), space)
      .map(([a, op, b, yes, no, gap]) => `\${{${a}}${gap}${op}${gap}{${b}}${gap}?${gap}{${yes}}:{${no}}}`),
    fc.tuple(tie('operand'), operator, tie('operand'), fc.constantFrom('?', ':'), tie('branch'))
      .map(([a, op, b, which, text]) => `\${{${a}}${op}{${b}}${which}{${text}}}`),
    fc.tuple(level, operator, level, plain).map(([a, op, b, text]) => `\${{${a}} ${op}level {${b}} ? {${text}}:{no}}`),
    fc.tuple(fc.constantFrom('domain_to_ascii', 'domain_to_utf8'), fc.stringMatching(/^[a-z]{1,3}$/), space)
      .map(([call, text, gap]) => `\${${call}${gap}{${text}\u00fc.example}}`),
    tie('branch').map((text) => `\${domain_to_ascii{a\${empty?{${text}}}.xn--tda.example}}`),
  ),
  branch: tie('expression'),
  operand: fc.oneof(plain, number, name.map((one) => `$${one}`), fc.constantFrom('$vc', ' 9 ', '', '-1', '+1', 'x y', 'X', '\u00fc')),
})).expression

const DAMAGE = Array.from('${}()?:=<>!$ ab{}').concat('', '', '${', '{}', '$$', '<level', '+', '-', '==')

/** A well-formed one with a piece taken out, put in or replaced: often malformed, sometimes still well-formed. */
export const damaged: fc.Arbitrary<string> = fc
  .tuple(wellFormed, fc.array(fc.tuple(fc.nat(60), fc.nat(3), fc.constantFrom(...DAMAGE)), { minLength: 1, maxLength: 2 }))
  .map(([text, edits]) => edits.reduce((current, [at, cut, put]) => {
    const start = current.length === 0 ? 0 : at % current.length
    return current.slice(0, start) + put + current.slice(start + cut)
  }, text))
  // Blanks at both ends are not part of a value, and a line must not turn into a comment.
  .map((text) => text.trim())
