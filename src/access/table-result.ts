/**
 * The right-hand sides of access tables, and the actions of policy services.
 *
 * Source: access(5), "ACCEPT ACTIONS", "REJECT ACTIONS", "OTHER ACTIONS", "ENHANCED STATUS CODES".
 */
import { isHeaderLine } from '#mail/header.ts'
import { splitStatus } from '#mail/status.ts'
import { asciiUpper, isDigits } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { Evaluation, Status } from './evaluation.ts'
import type { LookupRequest } from './restriction.ts'

/** An action cut from its text. */
type Action = {
  readonly evaluation: Evaluation
  readonly request: LookupRequest
  /** The whole right-hand side. */
  readonly value: string
  /** Its first word as written. */
  readonly word: string
  readonly text: string
}

/**
 * Acts on a right-hand side; `undefined` when it is a list of restrictions, which the caller runs.
 */
export function actOn(
  evaluation: Evaluation, request: LookupRequest, value: string,
): MaybePromise<Status> | undefined {
  const word = /^[^ \t]*/.exec(value)?.[0] ?? ''
  const action: Action = { evaluation, request, value, word, text: value.slice(word.length).trimStart() }
  const run = ACTIONS[asciiUpper(word)]
  if (run !== undefined) return run(action)
  // Some authentication schemes store a time stamp.
  if (isDigits(value)) return permit(action)
  if (/^[45]\d\d$/.test(word) && action.text !== '') return rejectWithCode(action)
  return undefined
}

const ACTIONS: Readonly<Record<string, (action: Action) => MaybePromise<Status>>> = {
  DUNNO: () => 'dunno',
  OK: permit,
  RELAY: permit,
  REJECT: (action) => deny(action, action.evaluation.settings.codes.accessReject, '5.7.1'),
  DEFER: (action) => deny(action, action.evaluation.settings.codes.accessDefer, '4.7.1'),
  DEFER_IF_PERMIT: (action) => action.evaluation.deferUnlessRejected(deferral(action)),
  DEFER_IF_REJECT: (action) => {
    action.evaluation.deferWhenRejected(deferral(action))
    return 'dunno'
  },
  HANGUP: ({ evaluation, text }) => evaluation.hangUp(text),
  INFO: (action) => logOnly(action, 'info'),
  WARN: (action) => logOnly(action, 'warn'),
  FILTER: filter,
  HOLD: hold,
  DISCARD: discard,
  REDIRECT: redirect,
  BCC: bcc,
  PREPEND: prepend,
}

function permit({ evaluation, request, word }: Action): MaybePromise<Status> {
  return evaluation.permit(word, request.list, request.table)
}

function deny({ evaluation, request, text }: Action, code: number, defaultStatus: string): Status {
  const { status, rest } = splitStatus(defaultStatus, text)
  return evaluation.deny(
    code, evaluation.fit(status, request.list.about), request.list, rest === '' ? 'Access denied' : rest,
  )
}

function rejectWithCode(action: Action): Status {
  return deny(action, Number(action.word), `${action.word.charAt(0)}.7.1`)
}

function deferral({ evaluation, request, text }: Action): Parameters<Evaluation['deferUnlessRejected']>[0] {
  const { list } = request
  const { status, rest } = splitStatus('4.7.1', text)
  return {
    errorClass: 'policy',
    code: evaluation.settings.codes.accessDefer,
    status: evaluation.fit(status, list.about),
    text: `<${list.name}>: ${list.about} rejected: ${rest === '' ? 'Service unavailable' : rest}`,
  }
}

function logOnly({ evaluation, text }: Action, action: 'info' | 'warn'): Status {
  evaluation.logAction(action, text)
  return 'dunno'
}

/** What cleanup would have to do: not without a queue file, and not before there is a message. */
function canDelegate(action: Action, name: string): boolean {
  const { evaluation, request } = action
  if (evaluation.facts.proxyFilter) {
    evaluation.warning(
      `access table ${request.table}: with smtpd_proxy_filter specified, action ${name} is unavailable`,
    )
    return false
  }
  if (evaluation.facts.where === 'ETRN') {
    evaluation.warning(`access table ${request.table}: action ${name} is unavailable in smtpd_etrn_restrictions`)
    return false
  }
  return isInTransaction(action, name)
}

function isInTransaction({ evaluation, request }: Action, name: string): boolean {
  if (evaluation.facts.sender !== undefined) return true
  evaluation.warning(`access table ${request.table}: with smtpd_delay_reject=no, action ${name} is always skipped`
    + ' in Client host or Helo command restrictions')
  return false
}

function complain({ evaluation, request }: Action, problem: string): Status {
  evaluation.warning(`access table ${request.table} entry "${request.key}" ${problem}`)
  return 'dunno'
}

function subject({ request }: Action): string {
  return `<${request.list.name}>: ${request.list.about}`
}

function filter(action: Action): Status {
  const { evaluation, text } = action
  if (!canDelegate(action, 'FILTER')) return 'dunno'
  if (text === '') return complain(action, 'has FILTER entry without value')
  if (!text.includes(':')) return complain(action, 'requires transport:destination')
  evaluation.logAction('filter', `${subject(action)} triggers FILTER ${text}`)
  evaluation.effect({ kind: 'filter', destination: text })
  return 'dunno'
}

function hold(action: Action): Status {
  const { evaluation, text } = action
  if (!canDelegate(action, 'HOLD') || evaluation.state.hold) return 'dunno'
  evaluation.logAction('hold', `${subject(action)} ${text === '' ? 'triggers HOLD action' : text}`)
  evaluation.state.hold = true
  evaluation.effect({ kind: 'hold' })
  return 'dunno'
}

function discard(action: Action): MaybePromise<Status> {
  const { evaluation, text } = action
  if (!canDelegate(action, 'DISCARD')) return 'dunno'
  evaluation.logAction('discard', `${subject(action)} ${text === '' ? 'triggers DISCARD action' : text}`)
  evaluation.state.discard = true
  evaluation.effect({ kind: 'discard' })
  return permit(action)
}

function redirect(action: Action): Status {
  const { evaluation, text } = action
  if (!canDelegate(action, 'REDIRECT')) return 'dunno'
  if (!text.includes('@')) return complain(action, 'requires user@domain target')
  evaluation.logAction('redirect', `${subject(action)} triggers REDIRECT ${text}`)
  evaluation.effect({ kind: 'redirect', address: text })
  return 'dunno'
}

function bcc(action: Action): Status {
  const { evaluation, text } = action
  if (!canDelegate(action, 'BCC')) return 'dunno'
  if (!text.includes('@')) return complain(action, 'requires user@domain target')
  evaluation.logAction('bcc', `${subject(action)} triggers BCC ${text}`)
  evaluation.effect({ kind: 'bcc', address: text })
  return 'dunno'
}

function prepend(action: Action): Status {
  const { evaluation, request, text } = action
  if (!isInTransaction(action, 'PREPEND')) return 'dunno'
  if (evaluation.facts.where === 'END-OF-MESSAGE') {
    evaluation.warning(
      `access table ${request.table}: action PREPEND must be used before smtpd_end_of_data_restrictions`,
    )
    return 'dunno'
  }
  if (!isHeaderLine(text)) return complain(action, 'requires header: text')
  evaluation.effect({ kind: 'prepend', header: text })
  return 'dunno'
}
