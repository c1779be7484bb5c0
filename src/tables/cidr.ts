/**
 * cidr: address ranges in the order of the file; the first that holds the address answers.
 *
 * Rules: `pattern result`, `!pattern result`, `if pattern` ... `endif`, `if !pattern` ... `endif`.
 * A range says nothing about the other address family: neither it nor its opposite holds such an address.
 *
 * Source: cidr_table(5).
 */
import { inRange, parseAddress, parseRange, type Address, type AddressRange } from './address-range.ts'
import { openRuleTable, type RuleLine } from './rule-source.ts'
import { ABSENT, found, type Lookup, type OpenRequest, type Table } from './table.ts'

/** A rule in file order; a failed `if` continues at `skipTo`. */
type CidrRule = {
  readonly range: AddressRange
  readonly negated: boolean
  readonly line: number
  readonly action: { readonly kind: 'answer'; readonly answer: Lookup } | { readonly kind: 'if'; skipTo: number }
}

type Warn = (line: number, problem: string) => void

const STATEMENT = /^(if|endif)(?![^\s!])(.*)$/is
const RULE = /^(!*)\s*(\S*)\s*(.*)$/s

function parsePattern(text: string, line: number, warn: Warn): Pick<CidrRule, 'range' | 'negated'> | undefined {
  const bare = text.replace(/^!+/, '').trimStart()
  if (bare === '') {
    warn(line, 'no address pattern: skipping this rule')
    return undefined
  }
  const parsed = parseRange(bare)
  if (parsed.kind === 'error') {
    warn(line, `${parsed.reason}: skipping this rule`)
    return undefined
  }
  return { range: parsed.range, negated: (text.length - text.replace(/^!+/, '').length) % 2 === 1 }
}

function parseAnswer(text: string, line: number, warn: Warn): CidrRule | undefined {
  const [, bangs = '', pattern = '', value = ''] = RULE.exec(text) ?? []
  const parsed = parsePattern(bangs + pattern, line, warn)
  if (parsed === undefined) return undefined
  if (value.trim() === '') {
    warn(line, 'no lookup result: skipping this rule')
    return undefined
  }
  return { ...parsed, line, action: { kind: 'answer', answer: found(value.trim()) } }
}

/** Closes the innermost `if`: a key outside its range goes on behind the rules so far. */
function closeIf(open: { skipTo: number }[], rules: readonly CidrRule[], rest: string, line: number, warn: Warn): void {
  const statement = open.pop()
  if (statement === undefined) {
    warn(line, 'ENDIF without IF: skipping this rule')
    return
  }
  if (rest.trim() !== '') {
    open.push(statement)
    warn(line, 'garbage after ENDIF: skipping this rule')
    return
  }
  statement.skipTo = rules.length
}

function compile(lines: readonly RuleLine[], warn: Warn): CidrRule[] {
  const rules: CidrRule[] = []
  const open: { kind: 'if'; skipTo: number; line: number }[] = []
  for (const { text, line } of lines) {
    const [, word, rest = ''] = STATEMENT.exec(text) ?? []
    if (word?.toLowerCase() === 'endif') {
      closeIf(open, rules, rest, line, warn)
    } else if (word !== undefined) {
      const parsed = parsePattern(rest.trim(), line, warn)
      if (parsed === undefined) continue
      const action = { kind: 'if' as const, skipTo: Number.MAX_SAFE_INTEGER, line }
      open.push(action)
      rules.push({ ...parsed, line, action })
    } else {
      const rule = parseAnswer(text, line, warn)
      if (rule !== undefined) rules.push(rule)
    }
  }
  for (const { line } of open.toReversed()) warn(line, 'IF has no matching ENDIF')
  return rules
}

function match(rules: readonly CidrRule[], address: Address): Lookup {
  for (let i = 0; i < rules.length; ) {
    const rule = rules[i]
    if (rule === undefined) break
    const sameFamily = rule.range.base.length === address.length
    const holds = sameFamily && inRange(rule.range, address) !== rule.negated
    i++
    if (rule.action.kind === 'if') {
      if (!holds) i = rule.action.skipTo
    } else if (holds) {
      return rule.action.answer
    }
  }
  return ABSENT
}

/**
 * Opens `cidr:path` or `cidr:{ {rule}, {rule} }`.
 *
 * @throws {TableOpenError} The file cannot be read; the inline form is malformed.
 */
export function openCidr(request: OpenRequest): Table {
  return openRuleTable<CidrRule[]>(request, {
    type: 'cidr',
    compile,
    find(rules, key) {
      const address = parseAddress(key)
      return address === undefined ? ABSENT : match(rules, address)
    },
  })
}
