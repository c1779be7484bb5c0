/**
 * The restrictions of a configuration, ready for use: which lists apply at
 * which command, in which order, and what follows from one to the next.
 *
 * Source: SMTPD_ACCESS_README, "Delayed evaluation of SMTP access restriction lists"; postconf(5)
 * smtpd_delay_reject, smtpd_relay_before_recipient_restrictions, smtpd_reject_unlisted_recipient.
 */
import { domainOf } from '#mail/address.ts'
import type { Config } from '#config/config.ts'
import { equalsIgnoreCase, isAscii } from '#util/ascii.ts'
import { Evaluation } from './evaluation.ts'
import type { Status } from './evaluation.ts'
import { Evaluator } from './evaluate.ts'
import { openLists } from './lists.ts'
import type { RestrictionLists } from './lists.ts'
import { checkListedRecipient, checkListedSender } from './listed.ts'
import { compileList } from './restriction.ts'
import type { Item } from './restriction.ts'
import { RESTRICTIONS } from './restrictions.ts'
import { rewriteContextOf } from './rewrite-clients.ts'
import { openTables, readSettings } from './settings.ts'
import type { AccessSettings, AccessTables } from './settings.ts'
import { SessionState } from './state.ts'
import { REPLY_CLASS } from './status-class.ts'
import type { Access, AccessResult, AccessState, AccessTools, ContextResult, SessionFacts, Stage } from './types.ts'
import { defaultSleep } from './verified.ts'

/** What the default of smtpd_relay_restrictions would be at a newer compatibility level, without rejecting. */
const NEWER_RELAY_RESTRICTIONS = ['permit_mynetworks', 'permit_sasl_authenticated', 'permit_auth_destination'] as const

/**
 * Opens the restrictions of a configuration.
 *
 * @throws {ConfigError} When the configuration cannot be used, above all when the relay would be open.
 */
export function openAccess(config: Config, tools: AccessTools): Access {
  const settings = readSettings(config)
  const lists = openLists(config, tools.sleep ?? defaultSleep)
  return new Restrictions(settings, openTables(config), lists, tools)
}

/** What concerns several recipients names none of them: one would be misleading. */
function forAllRecipients(facts: SessionFacts): SessionFacts {
  if (facts.recipientCount <= 1 || facts.recipient === undefined) return facts
  const { recipient: _one, ...others } = facts
  return others
}

class Restrictions implements Access {
  readonly #settings: AccessSettings
  readonly #tables: AccessTables
  readonly #opened: RestrictionLists
  readonly #tools: AccessTools
  readonly #evaluator: Evaluator
  readonly #newerRelay = compileList(NEWER_RELAY_RESTRICTIONS, RESTRICTIONS)

  constructor(settings: AccessSettings, tables: AccessTables, opened: RestrictionLists, tools: AccessTools) {
    this.#settings = settings
    this.#tables = tables
    this.#opened = opened
    this.#tools = tools
    this.#evaluator = new Evaluator(opened)
  }

  newTransaction(): SessionState {
    return new SessionState()
  }

  async check(stage: Stage, facts: SessionFacts, state: AccessState): Promise<AccessResult> {
    const evaluation = this.#evaluation(
      stage === 'data' || stage === 'end_of_data' ? forAllRecipients(facts) : facts, state,
    )
    return evaluation.result(await this.#runStage(stage, evaluation))
  }

  #evaluation(facts: SessionFacts, state: AccessState): Evaluation {
    if (!(state instanceof SessionState)) {
      throw new TypeError('Cannot check access as the state is not from newTransaction()')
    }
    return new Evaluation(facts, this.#settings, this.#tables, this.#tools, state)
  }

  #runStage(stage: Stage, evaluation: Evaluation): Promise<Status> | Status {
    const { delayReject } = this.#settings
    switch (stage) {
      case 'client': return delayReject ? 'dunno' : this.#client(evaluation)
      case 'helo': return delayReject ? 'dunno' : this.#helo(evaluation)
      case 'sender': return delayReject ? 'dunno' : this.#sender(evaluation)
      case 'recipient': return this.#recipient(evaluation)
      case 'etrn': return this.#etrn(evaluation)
      case 'data': return this.#content(evaluation, this.#opened.lists.data, 'DATA', REPLY_CLASS.data)
      default: return this.#content(evaluation, this.#opened.lists.end_of_data, 'END-OF-MESSAGE', REPLY_CLASS.endOfData)
    }
  }

  async #client(evaluation: Evaluation): Promise<Status> {
    const { state, facts } = evaluation
    state.deferIfPermit.active = false
    evaluation.beginStage()
    const list = {
      name: facts.client.nameAndAddress, about: REPLY_CLASS.client, tableRestriction: 'check_client_access',
    }
    const status = await this.#evaluator.run(evaluation, this.#opened.lists.client, list)
    state.raisedBy.client = state.deferIfPermit.active
    return status
  }

  async #helo(evaluation: Evaluation): Promise<Status> {
    const { state, facts } = evaluation
    if (facts.helo === undefined) return 'dunno'
    state.deferIfPermit.active = state.raisedBy.client
    evaluation.beginStage()
    const list = { name: facts.helo, about: REPLY_CLASS.helo, tableRestriction: 'check_helo_access' }
    const status = await this.#evaluator.run(evaluation, this.#opened.lists.helo, list)
    state.raisedBy.helo = state.deferIfPermit.active
    return status
  }

  async #sender(evaluation: Evaluation): Promise<Status> {
    const { state, facts: { sender } } = evaluation
    if (sender === undefined) return 'dunno'
    state.deferIfPermit.active = state.raisedBy.client || state.raisedBy.helo
    state.senderChecked = false
    evaluation.beginStage()
    const list = { name: sender, about: REPLY_CLASS.sender, tableRestriction: 'check_sender_access' }
    const status = await this.#evaluator.run(evaluation, this.#opened.lists.sender, list)
    state.raisedBy.sender = state.deferIfPermit.active
    const implied = this.#settings.rejectUnlistedSender && !state.senderChecked && !state.discard && sender !== ''
    return status !== 'reject' && implied ? checkListedSender(evaluation, sender) : status
  }

  /** With smtpd_delay_reject, everything that was put off so far. */
  async #delayed(evaluation: Evaluation, withSender: boolean): Promise<Status> {
    if (!this.#settings.delayReject) return 'dunno'
    if ((await this.#client(evaluation)) === 'reject') return 'reject'
    if ((await this.#helo(evaluation)) === 'reject') return 'reject'
    return withSender ? this.#sender(evaluation) : 'dunno'
  }

  async #recipient(evaluation: Evaluation): Promise<Status> {
    const { state, facts: { recipient } } = evaluation
    // RFC 5321 §4.5.1: mail to postmaster, without a domain, is to be accepted.
    if (recipient === undefined || equalsIgnoreCase(recipient, 'postmaster')) return 'dunno'
    state.recipientChecked = false
    if ((await this.#delayed(evaluation, true)) === 'reject') return 'reject'
    state.deferIfPermit.active = state.raisedBy.sender
    evaluation.beginStage()
    let status = await this.#recipientLists(evaluation, recipient)
    status = this.#settle(evaluation, status)
    const implied = this.#settings.rejectUnlistedRecipient && !state.recipientChecked && !state.discard
    return status !== 'reject' && implied ? checkListedRecipient(evaluation, recipient) : status
  }

  /** A permission of one list is no permission of the other: both have their say. */
  async #recipientLists(evaluation: Evaluation, recipient: string): Promise<Status> {
    const { oldDefaults, relayBeforeRecipient } = this.#settings
    const { relay, recipient: own } = this.#opened.lists
    const list = { name: recipient, about: REPLY_CLASS.recipient, tableRestriction: 'check_recipient_access' }
    const relayItems = oldDefaults.relayRestrictions ? this.#newerRelay : relay
    const relayFirst = relayBeforeRecipient && !oldDefaults.relayRestrictions
    const order: readonly (readonly Item[])[] = relayFirst ? [relayItems, own] : [own, relayItems]
    let status: Status = 'dunno'
    for (const [i, items] of order.entries()) {
      status = await this.#evaluator.run(evaluation, items, list)
      if (items === relayItems && oldDefaults.relayRestrictions && status === 'dunno') {
        this.#explainEmptyRelay(evaluation, recipient)
      }
      if (status === 'reject') {
        if (i === 0 && oldDefaults.relayOrder) this.#explainOrder(evaluation, recipient)
        return 'reject'
      }
    }
    return status
  }

  #explainEmptyRelay(evaluation: Evaluation, recipient: string): void {
    evaluation.info('using backwards-compatible default setting "smtpd_relay_restrictions = (empty)"'
      + ` to avoid "Relay access denied" error for recipient "${recipient}"`
      + ` from client "${evaluation.facts.client.nameAndAddress}"`)
  }

  #explainOrder(evaluation: Evaluation, recipient: string): void {
    evaluation.info('using backwards-compatible default setting smtpd_relay_before_recipient_restrictions=no to reject'
      + ` recipient "${recipient}" from client "${evaluation.facts.client.nameAndAddress}"`)
  }

  async #etrn(evaluation: Evaluation): Promise<Status> {
    const { state, facts: { etrnDomain } } = evaluation
    if (etrnDomain === undefined) return 'dunno'
    if ((await this.#delayed(evaluation, false)) === 'reject') return 'reject'
    state.deferIfPermit.active = state.raisedBy.client || state.raisedBy.helo
    evaluation.beginStage()
    const list = { name: etrnDomain, about: REPLY_CLASS.etrn, tableRestriction: 'check_etrn_access' }
    return this.#settle(evaluation, await this.#evaluator.run(evaluation, this.#opened.lists.etrn, list))
  }

  /** What concerns all recipients alike: DATA and the end of the content. */
  async #content(
    evaluation: Evaluation, items: readonly Item[], name: string,
    about: typeof REPLY_CLASS.data | typeof REPLY_CLASS.endOfData,
  ): Promise<Status> {
    evaluation.state.deferIfPermit.active = false
    evaluation.beginStage()
    const status = await this.#evaluator.run(evaluation, items, { name, about, tableRestriction: undefined })
    return this.#settle(evaluation, status)
  }

  /** A pending deferral overrules a permission. */
  #settle(evaluation: Evaluation, status: Status): Status {
    const { reason } = evaluation.state.deferIfPermit
    return status !== 'reject' && reason !== undefined ? evaluation.reject(reason) : status
  }

  rewriteContext(facts: SessionFacts): Promise<ContextResult> {
    const evaluation = this.#evaluation(facts, new SessionState())
    return rewriteContextOf(evaluation, this.#opened)
  }

  async isPossibleAddress(sender: string, address: string, smtputf8: boolean): Promise<boolean> {
    if (address === '') return true
    const { router } = this.#tools
    const from = router.rewriteInternal('local', sender)
    const resolved = await router.resolve(from, router.rewriteInternal('local', address))
    if (resolved.problem === 'error') return false
    return smtputf8 || isAscii(domainOf(resolved.recipient) ?? '')
  }

  close(): void {
    this.#opened.close()
    for (const table of Object.values(this.#tables)) table.close()
  }
}
