/**
 * RCPT TO: one more recipient.
 *
 * Source: RFC 5321 §4.1.1.3; RFC 3461 §4.1, §4.2 (NOTIFY, ORCPT).
 */
import { RECORD } from '#queue/record.ts'
import { parseNotify, parseOrcpt } from '#mail/dsn-parameters.ts'
import { extractAddress } from '#receive/smtpd/address.ts'
import { applyResult } from '#receive/smtpd/decisions.ts'
import { openMessage } from '#receive/smtpd/open-message.ts'
import { recipientRate } from '#receive/smtpd/rates.ts'
import { accept, refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { wait, type Work } from '#receive/smtpd/work.ts'
import { asciiUpper, equalsIgnoreCase } from '#util/ascii.ts'

/** What the options say. */
type Options = { notify?: number; originalRecipient?: string }

/** RCPT TO:<address> options */
export function rcpt(session: Session, words: readonly CommandToken[]): Work<Outcome> | Outcome {
  if (!session.inTransaction) return refuse('503 5.5.1 Error: need MAIL command')
  if (session.inChunks) return refuse('503 5.5.1 Error: RCPT after BDAT')
  const [, keyword, address] = words
  if (keyword === undefined || address === undefined || !equalsIgnoreCase(keyword.text, 'to:')) {
    return refuse('501 5.5.4 Syntax: RCPT TO:<address>')
  }
  return addRecipient(session, address, words.slice(3))
}

function* addRecipient(session: Session, address: CommandToken, words: readonly CommandToken[]): Work<Outcome> {
  const { settings, transaction, ports } = session
  const tooMany = yield* recipientRate(session)
  if (tooMany !== undefined) return tooMany
  const rules = { allowEmpty: false, strict: settings.strictAddresses, smtputf8: transaction.smtputf8 }
  const recipient = address.broken ? undefined : yield* extractAddress(session, address.text, rules)
  if (recipient === undefined) return refuse('501 5.1.3 Bad recipient address syntax')
  const options: Options = {}
  for (const { text } of words) {
    const refusal = readOption(session, options, text)
    if (refusal !== undefined) return refuse(refusal)
  }
  if (settings.recipientsMax > 0 && transaction.recipientCount >= settings.recipientsMax) return overLimit(session)
  if (!session.standAlone) {
    const facts = session.facts('RCPT', { recipient })
    const refusal = applyResult(session, yield* wait(ports.access.check('recipient', facts, session.accessState)))
    if (refusal !== undefined) return refusal
  }
  const failure = yield* openMessage(session)
  if (failure !== undefined) return failure
  store(session, recipient, { originalRecipient: asTyped(address.text), ...options })
  return accept('250 2.1.5 Ok')
}

/**
 * RFC 5321 §4.5.3.1.10: too many recipients is 452, and the ones before stay. The first ones over are not counted as
 * errors.
 */
function overLimit(session: Session): Outcome {
  const reply = '452 4.5.3 Error: too many recipients'
  const { transaction, settings } = session
  if (transaction.recipientOvershoot++ < settings.recipientsOvershoot) return accept(reply)
  return refuseFor('policy', reply)
}

/** RFC 3461 §5.2.1: without ORCPT= the address of the command is the original one, in the form in which it came. */
function asTyped(text: string): string {
  return `rfc822;${text.startsWith('<') ? text.slice(1, text.endsWith('>') ? -1 : undefined) : text}`
}

function store(session: Session, recipient: string, { notify, originalRecipient }: Options): void {
  const { transaction, message } = session
  transaction.recipientCount++
  transaction.firstRecipient ??= recipient
  if (notify !== undefined) message?.envelope(RECORD.attribute, `notify_flags=${notify}`)
  if (originalRecipient !== undefined) message?.envelope(RECORD.attribute, `dsn_orig_rcpt=${originalRecipient}`)
  message?.envelope(RECORD.recipient, recipient)
}

function readOption(session: Session, options: Options, text: string): string | undefined {
  const equals = text.indexOf('=')
  const keyword = asciiUpper(text.slice(0, Math.max(equals, 0)))
  const value = text.slice(equals + 1)
  if (keyword !== 'NOTIFY' && keyword !== 'ORCPT') return `555 5.5.4 Unsupported option: ${text}`
  if (session.discarded.has('dsn')) return '501 5.7.1 DSN support is disabled'
  return keyword === 'NOTIFY' ? readNotify(session, options, value) : readOriginal(options, value)
}

function readNotify(session: Session, options: Options, value: string): string | undefined {
  const notify = parseNotify(value)
  if (options.notify !== undefined || notify === undefined) {
    warnNotify(session, value)
    return '501 5.5.4 Error: Bad NOTIFY parameter syntax'
  }
  options.notify = notify
  return undefined
}

function warnNotify(session: Session, value: string): void {
  const known = new Set(['NEVER', 'SUCCESS', 'FAILURE', 'DELAY'])
  const unknown = value.split(',').find((word) => word !== '' && !known.has(asciiUpper(word)))
  if (unknown === undefined) return
  session.ports.log.warning(`unknown DSN NOTIFY command value "${unknown}" in "${value}"`)
}

function readOriginal(options: Options, value: string): string | undefined {
  const bad = '501 5.5.4 Error: Bad ORCPT parameter syntax'
  if (options.originalRecipient !== undefined) return bad
  const semicolon = value.indexOf(';')
  // An address type without an address is taken, and means nothing.
  if (semicolon > 0 && semicolon === value.length - 1) return undefined
  const original = parseOrcpt(value)
  if (original === undefined) return bad
  options.originalRecipient = `${original.type};${original.address}`
  return undefined
}
