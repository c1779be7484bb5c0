/**
 * Log lines of the restrictions: what happened, to which command, with the
 * context of the session. Log readers depend on the form.
 *
 * Source: lines of Postfix 3.11; postconf(5) info_log_address_format.
 */
import { externalAddress } from '#mail/address.ts'
import type { SessionFacts } from './types.ts'

/** What happened, as the line names it. */
export type LoggedAction =
  | 'reject' | 'reject_warning' | 'permit' | 'hold' | 'discard' | 'filter' | 'redirect' | 'bcc' | 'info' | 'warn'
  | 'hangup'

/** How addresses look in log lines (info_log_address_format). */
export type AddressFormat = 'external' | 'internal'

/** `NOQUEUE: reject: RCPT from C: TEXT; from=<s> to=<r> proto=ESMTP helo=<h>` */
export function actionLine(
  action: LoggedAction, text: string, facts: SessionFacts, format: AddressFormat = 'external',
): string {
  const head = `${facts.queueId ?? 'NOQUEUE'}: ${action}: ${facts.where} from ${facts.client.nameAndAddress}: ${text};`
  return head + contextOf(facts, format)
}

/** The session as it stands at the end of a line; each field only when it is known. */
export function contextOf(facts: SessionFacts, format: AddressFormat = 'external'): string {
  const address = (internal: string): string => (format === 'external' ? externalAddress(internal) : internal)
  let text = ''
  if (facts.sender !== undefined) text += ` from=<${address(facts.sender)}>`
  if (facts.recipient !== undefined) text += ` to=<${address(facts.recipient)}>`
  if (facts.protocol !== '') text += ` proto=${facts.protocol}`
  if (facts.helo !== undefined) text += ` helo=<${facts.helo}>`
  const { method, username, sender } = facts.sasl
  if (method !== undefined) text += ` sasl_method=${method}`
  if (username !== undefined) text += ` sasl_username=${username}`
  if (sender !== undefined) text += ` sasl_sender=${sender}`
  return text
}
