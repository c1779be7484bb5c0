/**
 * Evaluates lists of restrictions: one after the other, until one decides.
 *
 * Source: SMTPD_ACCESS_README, "SMTP access restriction lists"; postconf(5) warn_if_reject.
 */
import { isPromise, whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { splitOutsideBraces } from '#util/split.ts'
import type { Evaluation, ListContext, Status } from './evaluation.ts'
import type { RestrictionLists } from './lists.ts'
import { formatPolicyRequest } from './policy-request.ts'
import { compileList } from './restriction.ts'
import type { AccessTable, Interpreter, Item, LookupRequest } from './restriction.ts'
import { RESTRICTIONS } from './restrictions.ts'
import { actOn } from './table-result.ts'

/** Tables that send a list to itself end here. */
const DEPTH_MAX = 100

/** What a policy service gets when its own default action fails to work. */
const LAST_RESORT = '451 4.3.5 Server configuration problem'

/** Runs lists, and what tables and services answer. */
export class Evaluator implements Interpreter {
  readonly #opened: RestrictionLists
  /** Lists that came as table results, compiled. */
  readonly #compiled = new Map<string, readonly Item[]>()

  constructor(opened: RestrictionLists) {
    this.#opened = opened
  }

  /** Runs a list. `dunno`: nothing in it decided. */
  run(evaluation: Evaluation, items: readonly Item[], list: ListContext): MaybePromise<Status> {
    const before = evaluation.depth++
    return whenReady(this.#runFrom(0, evaluation, items, list), (status) => {
      evaluation.depth = before
      if (evaluation.warnDepth > before) evaluation.warnDepth = 0
      return status
    })
  }

  /** Most restrictions have their answer at hand: only the others make the list wait. */
  #runFrom(start: number, evaluation: Evaluation, items: readonly Item[], list: ListContext): MaybePromise<Status> {
    for (let i = start; i < items.length; i++) {
      const item = items[i]
      if (item === undefined || evaluation.state.discard) break
      if (item.kind === 'warn') {
        if (evaluation.warnDepth === 0) evaluation.warnDepth = evaluation.depth
        continue
      }
      const status = this.#runItem(evaluation, item, list)
      if (isPromise(status)) {
        return status.then((later) =>
          endsList(evaluation, later) ? later : this.#runFrom(i + 1, evaluation, items, list))
      }
      if (endsList(evaluation, status)) return status
    }
    return 'dunno'
  }

  #runItem(
    evaluation: Evaluation, item: Exclude<Item, { readonly kind: 'warn' }>, list: ListContext,
  ): MaybePromise<Status> {
    switch (item.kind) {
      case 'call': {
        const { name, restriction, argument, next } = item
        const warned = evaluation.warnDepth > 0
        const running = restriction.run({ evaluation, list, name, argument, interpreter: this })
        if (restriction.final !== true || next === undefined) return running
        return whenReady(running, (status) => {
          const unreachable = !warned || status === 'ok'
          if (unreachable) evaluation.warning(`restriction \`${next}' after \`${name.toLowerCase()}' is ignored`)
          return status
        })
      }
      case 'table':
        return this.#runBareTable(evaluation, item.table, list)
      case 'incomplete':
        return incomplete(evaluation, item)
      default:
        return this.#runWord(evaluation, item.name, list)
    }
  }

  /** `type:table` without a word before it: each list but those about data has its own meaning for it. */
  #runBareTable(evaluation: Evaluation, table: string, list: ListContext): MaybePromise<Status> {
    const restriction = RESTRICTIONS.get(list.tableRestriction ?? '')
    if (list.tableRestriction === undefined || restriction === undefined) {
      return evaluation.configurationError('specify one of (check_client_access, check_reverse_client_hostname_access,'
        + ' check_helo_access, check_sender_access, check_recipient_access, check_etrn_access)'
        + ` before ${list.about} restriction "${table}"`)
    }
    return restriction.run({ evaluation, list, name: list.tableRestriction, argument: table, interpreter: this })
  }

  #runWord(evaluation: Evaluation, name: string, list: ListContext): MaybePromise<Status> {
    const items = this.#opened.classes.get(name)
    if (items === undefined) return evaluation.configurationError(`unknown smtpd restriction: "${name}"`)
    if (evaluation.depth > DEPTH_MAX) {
      return evaluation.configurationError(`restriction class ${name} causes unreasonable recursion`)
    }
    return this.run(evaluation, items, list)
  }

  act(evaluation: Evaluation, request: LookupRequest, value: string): MaybePromise<Status> {
    const decided = actOn(evaluation, request, value.trim())
    if (decided !== undefined) return decided
    const { table, list } = request
    if (value.includes(':')) {
      return evaluation.configurationError(
        `access table ${table} has entry with lookup table: ${value}`,
        'do not specify lookup tables inside SMTPD access maps',
        'define a restriction class and specify its name instead.',
      )
    }
    if (evaluation.depth > DEPTH_MAX) {
      return evaluation.configurationError(`access table ${table} entry ${value} causes unreasonable recursion`)
    }
    const items = this.#compile(value)
    if (items.length > 0) return this.run(evaluation, items, list)
    evaluation.warning(`access table ${table} entry ${value} has empty value`)
    return 'ok'
  }

  #compile(value: string): readonly Item[] {
    const known = this.#compiled.get(value)
    if (known !== undefined) return known
    const items = compileList(splitOutsideBraces(value), RESTRICTIONS)
    // Results can be made by a service, without end; those of files are few.
    if (this.#compiled.size < 1000) this.#compiled.set(value, items)
    return items
  }

  async askPolicy(evaluation: Evaluation, list: ListContext, name: string): Promise<Status> {
    const service = this.#opened.services.get(name)
    // Services are opened at start: one that a table names was not foreseen.
    if (service === undefined) {
      return evaluation.configurationError(`check_policy_service: no client endpoint for server ${name}`)
    }
    const request = formatPolicyRequest(evaluation.facts, evaluation.settings, service.policyContext)
    const answer = await service.client.ask(request)
    for (const text of answer.warnings) evaluation.warning(text)
    const lookup = { table: name, key: 'policy query', list }
    if (answer.action !== undefined) return this.act(evaluation, lookup, answer.action)
    evaluation.policyFailures++
    const action = evaluation.policyFailures === 1 ? service.defaultAction : LAST_RESORT
    const status = await this.act(evaluation, lookup, action)
    evaluation.policyFailures--
    return status
  }

  tables(argument: string): AccessTable | undefined {
    return this.#opened.tables.get(argument)
  }
}

/** Whether nothing after this restriction matters; warn_if_reject has done its duty for it. */
function endsList(evaluation: Evaluation, status: Status): boolean {
  if (evaluation.warnDepth >= evaluation.depth) evaluation.warnDepth = 0
  if (status !== 'dunno') return true
  // Both pending: whatever comes, the end is a deferral.
  return evaluation.state.deferIfPermit.active && evaluation.deferIfReject.active
}

function incomplete(
  evaluation: Evaluation, { name, needs, got }: Extract<Item, { readonly kind: 'incomplete' }>,
): Status {
  switch (needs) {
    case 'domain':
      evaluation.warning(`restriction ${name} requires domain name argument`)
      return 'dunno'
    case 'number':
      return evaluation.configurationError(`restriction ${name} must be followed by number`)
    case 'service':
      return evaluation.configurationError(`restriction ${name} must be followed by transport:server`)
    default:
      return evaluation.configurationError(`restriction ${name}: bad argument "${got}": need maptype:mapname`)
  }
}
