/**
 * One evaluation: the facts at this moment, what was decided so far, and the
 * rules by which a restriction's verdict becomes a reply, a warning or a
 * deferral for later.
 *
 * Source: postconf(5) warn_if_reject, defer_if_permit, defer_if_reject, soft_bounce, smtpd_log_access_permit_actions.
 */
import { isStatus, withClass } from '#mail/status.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { foldCase } from '#util/ascii.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { printable } from '#util/printable.ts'
import { actionLine } from './log-lines.ts'
import type { LoggedAction } from './log-lines.ts'
import type { AccessSettings, AccessTables, TempfailAction } from './settings.ts'
import { PendingDeferral } from './state.ts'
import type { Rejection, SessionState } from './state.ts'
import { fitStatus } from './status-class.ts'
import type { ReplyClass } from './status-class.ts'
import type { AccessResult, AccessTools, Effect, ErrorClass, SessionFacts } from './types.ts'

/** What a restriction says: go on, permit (this list ends), or reject (everything ends). */
export type Status = 'dunno' | 'ok' | 'reject'

/** What a list is about: how its generic restrictions name what they reject. */
export type ListContext = {
  /** The text between `<>`. */
  readonly name: string
  readonly about: ReplyClass
  /** What a bare `type:table` means in this list. */
  readonly tableRestriction: string | undefined
}

/** RFC 5321 §4.5.3.1.5: a reply line has 512 octets with CR LF. */
const REPLY_OCTETS_MAX = 510

/** Error classes that are our own fault: warn_if_reject does not cover them up. */
const OWN_FAULTS: readonly ErrorClass[] = ['software', 'resource', 'data']

type Decision = { readonly reply: string; readonly errorClass: ErrorClass; readonly hangup: boolean }

/** Tables have their keys in lower case. */
function folded(resolved: Resolved): Resolved {
  const recipient = foldCase(resolved.recipient)
  return recipient === resolved.recipient ? resolved : { ...resolved, recipient }
}

/** Everything of one check: made anew for each. */
export class Evaluation {
  readonly facts: SessionFacts
  readonly settings: AccessSettings
  readonly tables: AccessTables
  readonly tools: AccessTools
  readonly state: SessionState
  /** Raised by a restriction that could not find out: a rejection later in this stage becomes a deferral. */
  deferIfReject = new PendingDeferral()
  /** Depth of lists in lists, for limits and for the reach of warn_if_reject. */
  depth = 0
  /** Depth of the list whose next restriction only warns; 0 for none. */
  warnDepth = 0
  /** Depth of policy service failures: the default action must not fail over to itself. */
  policyFailures = 0
  readonly #effects: Effect[] = []
  readonly #resolved = new Map<string, MaybePromise<Resolved>>()
  #decision: Decision | undefined

  constructor(
    facts: SessionFacts, settings: AccessSettings, tables: AccessTables, tools: AccessTools, state: SessionState,
  ) {
    this.facts = facts
    this.settings = settings
    this.tables = tables
    this.tools = tools
    this.state = state
  }

  /** Starts a stage anew: what an earlier one left does not count. */
  beginStage(): void {
    this.depth = 0
    this.warnDepth = 0
    this.deferIfReject = new PendingDeferral()
  }

  /** The outcome, with all effects so far. */
  result(status: Status): AccessResult {
    const effects = this.#effects
    if (status !== 'reject' || this.#decision === undefined) return { kind: 'ok', effects }
    const { reply, errorClass, hangup } = this.#decision
    return { kind: 'reject', reply, errorClass, effects, ...(hangup ? { hangup } : {}) }
  }

  effect(effect: Effect): void {
    this.#effects.push(effect)
  }

  warning(text: string): void {
    this.effect({ kind: 'log', level: 'warning', text })
  }

  info(text: string): void {
    this.effect({ kind: 'log', level: 'info', text })
  }

  /** Logs what happened, with the context of the session. */
  logAction(action: LoggedAction, text: string): void {
    this.info(actionLine(action, text, this.facts, this.settings.addressFormat))
  }

  /** Decides against, unless only a warning is asked for. */
  reject(rejection: Rejection): Status {
    const { errorClass, code, status } = rejection
    const warnOnly = this.warnDepth > 0 && !OWN_FAULTS.includes(errorClass)
    let reply = this.#compose(rejection)
    if (code < 400 || code > 599) {
      this.warning(`SMTP reply code configuration error: ${reply}`)
      reply = '450 4.7.1 Service unavailable'
    } else if (!isStatus(status)) {
      this.warning(`DSN detail code configuration error: ${reply}`)
      reply = '450 4.7.1 Service unavailable'
    }
    const earlier = this.deferIfReject.reason
    if (!warnOnly && earlier !== undefined && reply.startsWith('5')) {
      this.warnDepth = 0
      this.deferIfReject.active = false
      return this.reject(earlier)
    }
    if (this.settings.softBounce && reply.startsWith('5')) reply = `4${reply.slice(1)}`
    // The code was settled first; the class of the status follows it.
    reply = `${reply.slice(0, 4)}${withClass(reply.slice(4), reply)}`
    this.logAction(warnOnly ? 'reject_warning' : 'reject', reply)
    if (warnOnly) {
      this.effect({ kind: 'fault', errorClass })
      return 'dunno'
    }
    this.#decision = { reply, errorClass, hangup: false }
    return 'reject'
  }

  #compose({ code, status, text }: Rejection): string {
    const bytes = Buffer.from(`${code} ${status} ${text}`)
    return printable(bytes.subarray(0, REPLY_OCTETS_MAX).toString().replace(/\ufffd+$/, ' '), ' ')
  }

  /** The usual rejection by policy: `<name>: About rejected: text`. */
  deny(code: number, status: string, list: Pick<ListContext, 'name' | 'about'>, text: string): Status {
    return this.reject({ errorClass: 'policy', code, status, text: `<${list.name}>: ${list.about} rejected: ${text}` })
  }

  /** The status fitted to what is rejected; a change is logged. */
  fit(status: string, about: ReplyClass): string {
    const fitted = fitStatus(status, about)
    if (fitted.note !== undefined) this.info(fitted.note)
    return fitted.status
  }

  /** Closes the connection without a word; an unsupported test feature of Postfix. */
  hangUp(text: string): Status {
    this.logAction('hangup', text)
    this.#decision = { reply: '421 4.7.0 Service unavailable', errorClass: 'policy', hangup: true }
    return 'reject'
  }

  /** A table cannot be read now. */
  retryLater(name: string): Status {
    return this.reject({ errorClass: 'data', code: 451, status: '4.3.0', text: `<${name}>: Temporary lookup failure` })
  }

  /** The configuration makes no sense; a warning before this says what is wrong. */
  configurationError(...warnings: readonly string[]): Status {
    for (const text of warnings) this.warning(text)
    return this.reject({ errorClass: 'software', code: 451, status: '4.3.5', text: 'Server configuration error' })
  }

  /** Defers in the end if nothing rejects, or at once. With warn_if_reject it is a warning at once. */
  deferUnlessRejected(rejection: Rejection, action: TempfailAction = 'defer_if_permit'): Status {
    if (this.warnDepth > 0 || action === 'defer') return this.reject(rejection)
    this.state.deferIfPermit.raise(rejection)
    return 'dunno'
  }

  /** A rejection from here on becomes this deferral. */
  deferWhenRejected(rejection: Rejection): void {
    this.deferIfReject.raise(rejection)
  }

  /** Permits, with a log line if smtpd_log_access_permit_actions says so. */
  permit(action: string, list: Pick<ListContext, 'name' | 'about'>, table?: string): MaybePromise<Status> {
    // A deferral is pending: this permission will not hold.
    if (this.state.deferIfPermit.active || this.tables.logPermit.empty) return 'ok'
    return whenReady(this.tables.logPermit.match(action), (logged) => {
      // Postfix prints the blank also when nothing follows it; log readers see the same line.
      const from = table === undefined ? ' ' : ` from ${table}`
      if (logged === true) this.logAction('permit', `action=${action} for ${list.about}=${list.name}${from}`)
      return 'ok'
    })
  }

  /**
   * Resolves an address as mail would be; the recipient of the answer is case folded, for lookups.
   *
   * @param sender Who the mail is from; the null sender when not known.
   */
  resolve(sender: string | undefined, address: string): MaybePromise<Resolved> {
    const key = `${sender ?? ''}\n${address}`
    const known = this.#resolved.get(key)
    if (known !== undefined) return known
    const { router } = this.tools
    const from = router.rewriteInternal('local', sender ?? '')
    const resolved = whenReady(router.resolve(from, router.rewriteInternal('local', address)), folded)
    this.#resolved.set(key, resolved)
    return resolved
  }

  /** Resolves the sender, to deliver replies to it, or the recipient. */
  resolveFor(about: ReplyClass, address: string): MaybePromise<Resolved> {
    return this.resolve(about === 'Sender address' ? this.facts.recipient : this.facts.sender, address)
  }
}
