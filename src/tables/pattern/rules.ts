/**
 * Tables of rules with expressions: compiled once, tried in the order of the file.
 *
 * A rule that cannot be understood is reported and skipped; the others count.
 *
 * Source: regexp_table(5), pcre_table(5).
 */
import { log } from '#system/log.ts'
import { openRuleTable, type RuleLine } from '#tables/rule-source.ts'
import { ABSENT, failed, found, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { ExpressionError, subject, type Compile, type Groups, type Match, type Matcher, type Subject } from './matcher.ts'
import { expandReplacement, parseReplacement, usesGroups, type Replacement } from './replacement.ts'
import { parseRule, toggledOptions, type PatternText, type RuleDialect, type RuleText } from './rule-syntax.ts'

/** One type: its syntax, the options that are on without letters, its engine. */
export type PatternDialect = RuleDialect & {
  readonly type: 'regexp' | 'pcre'
  readonly defaults: string
  readonly compile: Compile
}

type Pattern = { readonly negated: boolean; readonly matcher: Matcher }

type Rule = {
  readonly patterns: readonly Pattern[]
  readonly line: number
  readonly action: { readonly kind: 'answer'; readonly replacement: Replacement } | { readonly kind: 'if'; skipTo: number }
}

type Warn = (line: number, problem: string) => void

/** Turns the lines of one table into rules. */
class RuleCompiler {
  readonly rules: Rule[] = []
  readonly #open: { kind: 'if'; skipTo: number; line: number }[] = []
  readonly #dialect: PatternDialect
  readonly #regsub: boolean
  readonly #warn: Warn

  constructor(dialect: PatternDialect, regsub: boolean, warn: Warn) {
    this.#dialect = dialect
    this.#regsub = regsub
    this.#warn = warn
  }

  add({ text, line }: RuleLine): void {
    const parsed = parseRule(text, this.#dialect)
    if (parsed.kind === 'problem') this.#warn(line, parsed.problem)
    else if (parsed.kind === 'endif') this.#closeIf(parsed.extra, line)
    else if (parsed.kind === 'if') this.#openIf(parsed, line)
    else this.#addRule(parsed, line)
  }

  finish(): Rule[] {
    for (const { line } of this.#open.toReversed()) this.#warn(line, 'IF has no matching ENDIF')
    return this.rules
  }

  #closeIf(extra: string, line: number): void {
    const statement = this.#open.pop()
    if (statement === undefined) {
      this.#warn(line, 'ignoring ENDIF without matching IF')
      return
    }
    if (extra !== '') this.#warn(line, 'ignoring extra text after ENDIF')
    statement.skipTo = this.rules.length
  }

  #openIf({ pattern, extra }: Extract<RuleText, { kind: 'if' }>, line: number): void {
    if (extra !== '') {
      this.#warn(line, `ignoring extra text after IF statement: "${extra}"`)
      this.#warn(line, 'do not prepend whitespace to statements between IF and ENDIF')
    }
    const compiled = this.#compile(pattern, line)
    if (compiled === undefined) return
    const action = { kind: 'if' as const, skipTo: Number.MAX_SAFE_INTEGER, line }
    this.#open.push(action)
    this.rules.push({ patterns: [compiled], line, action })
  }

  #addRule({ patterns, result }: Extract<RuleText, { kind: 'rule' }>, line: number): void {
    if (result === '') this.#warn(line, 'no replacement text: using empty string')
    const compiled: Pattern[] = []
    for (const pattern of patterns) {
      const one = this.#compile(pattern, line)
      if (one === undefined) return
      compiled.push(one)
    }
    const replacement = this.#replacement(result, compiled[0], line)
    if (replacement !== undefined) this.rules.push({ patterns: compiled, line, action: { kind: 'answer', replacement } })
  }

  #replacement(result: string, first: Pattern | undefined, line: number): Replacement | undefined {
    const groupCount = first?.negated === true ? Infinity : (first?.matcher.groupCount ?? 0)
    const parsed = parseReplacement(result, groupCount)
    if (parsed.kind === 'error') {
      if (parsed.macro !== undefined) log.warning(parsed.macro)
      parsed.problems.forEach((problem, i) => {
        this.#warn(line, i === parsed.problems.length - 1 ? `${problem}: skipping this rule` : problem)
      })
      return undefined
    }
    if (usesGroups(parsed.parts)) {
      const refusal = this.#refuseGroups(first?.negated === true)
      if (refusal !== undefined) {
        this.#warn(line, `${refusal}: skipping this rule`)
        return undefined
      }
    }
    return parsed.parts
  }

  #refuseGroups(negated: boolean): string | undefined {
    if (!this.#regsub) return 'regular expression substitution is not allowed'
    return negated ? '$number found in negative match replacement text' : undefined
  }

  #compile({ negated, expression, options }: PatternText, line: number): Pattern | undefined {
    try {
      const matcher = this.#dialect.compile(expression, toggledOptions(this.#dialect.defaults, options))
      return { negated, matcher }
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      this.#warn(line, error.message)
      return undefined
    }
  }
}

const NO_GROUPS: Groups = () => ''
const UNREPORTED: Warn = () => undefined

/** Whether the rule applies: the groups of its first pattern, `none`, or an error. */
function tryRule({ patterns }: Rule, key: Subject): Match {
  let groups: Groups = NO_GROUPS
  for (const { negated, matcher } of patterns) {
    const match = matcher.match(key)
    if (match.kind === 'error') return match
    if ((match.kind === 'match') === negated) return { kind: 'none' }
    if (match.kind === 'match' && !negated) ({ groups } = match)
  }
  return { kind: 'match', groups }
}

function lookup(rules: readonly Rule[], text: string, report: Warn): Lookup {
  const key = subject(text)
  for (let i = 0; i < rules.length; ) {
    const rule = rules[i]
    if (rule === undefined) break
    i++
    const match = tryRule(rule, key)
    if (match.kind === 'error') {
      report(rule.line, match.reason)
      return failed(match.reason)
    }
    if (rule.action.kind === 'if') {
      if (match.kind === 'none') i = rule.action.skipTo
    } else if (match.kind === 'match') {
      return found(expandReplacement(rule.action.replacement, match.groups))
    }
  }
  return ABSENT
}

/**
 * Opens a table of expressions.
 *
 * @throws {TableOpenError} The file cannot be read; the inline form is malformed; there is no engine.
 */
export function openPatternTable(request: OpenRequest, dialect: PatternDialect): Table {
  let report = UNREPORTED
  return openRuleTable<Rule[]>(request, {
    type: dialect.type,
    compile(lines, warn) {
      report = warn
      const compiler = new RuleCompiler(dialect, request.options.regsub ?? true, warn)
      for (const line of lines) compiler.add(line)
      return compiler.finish()
    },
    find: (rules, key) => lookup(rules, key, report),
    free: (rules) => rules.forEach(({ patterns }) => patterns.forEach(({ matcher }) => matcher.free())),
  })
}
