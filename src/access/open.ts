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
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
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
  return { ...facts, recipient: undefined }
}

/** What comes after a list that may have rejected already. */
function unlessRejected(status: MaybePromise<Status>, next: () => MaybePromise<Status>): MaybePromise<Status> {
  return whenReady(status, (decided) => (decided === 'reject' ? decided : next()))
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

  check(stage: Stage, facts: SessionFacts, state: AccessState): MaybePromise<AccessResult> {
    const evaluation = this.#evaluation(
      stage === 'data' || stage === 'end_of_data' ? forAllRecipients(facts) : facts, state,
    )
    return whenReady(this.#runStage(stage, evaluation), (status) => evaluation.result(status))
  }

  #evaluation(facts: SessionFacts, state: AccessState): Evaluation {
    if (!(state instanceof SessionState)) {
      throw new TypeError('Cannot check access as the state is not from newTransaction()')
    }
    return new Evaluation(facts, this.#settings, this.#tables, this.#tools, state)
  }

  #runStage(stage: Stage, evaluation: Evaluation): MaybePromise<Status> {
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

  #client(evaluation: Evaluation): MaybePromise<Status> {
    const { state, facts } = evaluation
    state.deferIfPermit.active = false
    evaluation.beginStage()
    const list = {
      name: facts.client.nameAndAddress, about: REPLY_CLASS.client, tableRestriction: 'check_client_access',
    }
    return whenReady(this.#evaluator.run(evaluation, this.#opened.lists.client, list), (status) => {
      state.raisedBy.client = state.deferIfPermit.active
      return status
    })
  }

  #helo(evaluation: Evaluation): MaybePromise<Status> {
    const { state, facts } = evaluation
    if (facts.helo === undefined) return 'dunno'
    state.deferIfPermit.active = state.raisedBy.client
    evaluation.beginStage()
    const list = { name: facts.helo, about: REPLY_CLASS.helo, tableRestriction: 'check_helo_access' }
    return whenReady(this.#evaluator.run(evaluation, this.#opened.lists.helo, list), (status) => {
      state.raisedBy.helo = state.deferIfPermit.active
      return status
    })
  }

  #sender(evaluation: Evaluation): MaybePromise<Status> {
    const { state, facts: { sender } } = evaluation
    if (sender === undefined) return 'dunno'
    state.deferIfPermit.active = state.raisedBy.client || state.raisedBy.helo
    state.senderChecked = false
    evaluation.beginStage()
    const list = { name: sender, about: REPLY_CLASS.sender, tableRestriction: 'check_sender_access' }
    return whenReady(this.#evaluator.run(evaluation, this.#opened.lists.sender, list), (status) => {
      state.raisedBy.sender = state.deferIfPermit.active
      const implied = this.#settings.rejectUnlistedSender && !state.senderChecked && !state.discard && sender !== ''
      return status !== 'reject' && implied ? checkListedSender(evaluation, sender) : status
    })
  }

  /** With smtpd_delay_reject, everything that was put off so far. */
  #delayed(evaluation: Evaluation, withSender: boolean): MaybePromise<Status> {
    if (!this.#settings.delayReject) return 'dunno'
    return unlessRejected(this.#client(evaluation), () => unlessRejected(this.#helo(evaluation), () =>
      withSender ? this.#sender(evaluation) : 'dunno'))
  }

  #recipient(evaluation: Evaluation): MaybePromise<Status> {
    const { state, facts: { recipient } } = evaluation
    // RFC 5321 §4.5.1: mail to postmaster, without a domain, is to be accepted.
    if (recipient === undefined || equalsIgnoreCase(recipient, 'postmaster')) return 'dunno'
    state.recipientChecked = false
    return unlessRejected(this.#delayed(evaluation, true), () => {
      state.deferIfPermit.active = state.raisedBy.sender
      evaluation.beginStage()
      return whenReady(this.#recipientLists(evaluation, recipient), (decided) => {
        const status = this.#settle(evaluation, decided)
        const implied = this.#settings.rejectUnlistedRecipient && !state.recipientChecked && !state.discard
        return status !== 'reject' && implied ? checkListedRecipient(evaluation, recipient) : status
      })
    })
  }

  /** A permission of one list is no permission of the other: both have their say. */
  #recipientLists(evaluation: Evaluation, recipient: string): MaybePromise<Status> {
    const { oldDefaults, relayBeforeRecipient } = this.#settings
    const relayFirst = relayBeforeRecipient && !oldDefaults.relayRestrictions
    const own = (): MaybePromise<Status> => this.#recipientList(evaluation, this.#opened.lists.recipient, recipient)
    const relay = (): MaybePromise<Status> => this.#relayList(evaluation, recipient)
    return whenReady(relayFirst ? relay() : own(), (status) => {
      if (status !== 'reject') return relayFirst ? own() : relay()
      if (oldDefaults.relayOrder) this.#explainOrder(evaluation, recipient)
      return 'reject'
    })
  }

  #recipientList(evaluation: Evaluation, items: readonly Item[], recipient: string): MaybePromise<Status> {
    const list = { name: recipient, about: REPLY_CLASS.recipient, tableRestriction: 'check_recipient_access' }
    return this.#evaluator.run(evaluation, items, list)
  }

  #relayList(evaluation: Evaluation, recipient: string): MaybePromise<Status> {
    if (!this.#settings.oldDefaults.relayRestrictions) {
      return this.#recipientList(evaluation, this.#opened.lists.relay, recipient)
    }
    return whenReady(this.#recipientList(evaluation, this.#newerRelay, recipient), (status) => {
      if (status === 'dunno') this.#explainEmptyRelay(evaluation, recipient)
      return status
    })
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

  #etrn(evaluation: Evaluation): MaybePromise<Status> {
    const { state, facts: { etrnDomain } } = evaluation
    if (etrnDomain === undefined) return 'dunno'
    return unlessRejected(this.#delayed(evaluation, false), () => {
      state.deferIfPermit.active = state.raisedBy.client || state.raisedBy.helo
      evaluation.beginStage()
      const list = { name: etrnDomain, about: REPLY_CLASS.etrn, tableRestriction: 'check_etrn_access' }
      return whenReady(this.#evaluator.run(evaluation, this.#opened.lists.etrn, list), (status) =>
        this.#settle(evaluation, status))
    })
  }

  /** What concerns all recipients alike: DATA and the end of the content. */
  #content(
    evaluation: Evaluation, items: readonly Item[], name: string,
    about: typeof REPLY_CLASS.data | typeof REPLY_CLASS.endOfData,
  ): MaybePromise<Status> {
    evaluation.state.deferIfPermit.active = false
    evaluation.beginStage()
    return whenReady(this.#evaluator.run(evaluation, items, { name, about, tableRestriction: undefined }), (status) =>
      this.#settle(evaluation, status))
  }

  /** A pending deferral overrules a permission. */
  #settle(evaluation: Evaluation, status: Status): Status {
    const { reason } = evaluation.state.deferIfPermit
    return status !== 'reject' && reason !== undefined ? evaluation.reject(reason) : status
  }

  rewriteContext(facts: SessionFacts): MaybePromise<ContextResult> {
    const evaluation = this.#evaluation(facts, new SessionState())
    return rewriteContextOf(evaluation, this.#opened)
  }

  isPossibleAddress(sender: string, address: string, smtputf8: boolean): MaybePromise<boolean> {
    if (address === '') return true
    const { router } = this.#tools
    const from = router.rewriteInternal('local', sender)
    return whenReady(router.resolve(from, router.rewriteInternal('local', address)), ({ problem, recipient }) => {
      return problem !== 'error' && (smtputf8 || isAscii(domainOf(recipient) ?? ''))
    })
  }

  close(): void {
    this.#opened.close()
    for (const table of Object.values(this.#tables)) table.close()
  }
}
