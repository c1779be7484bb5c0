/**
 * Headers that every message should have, and that this one lacks.
 *
 * They are added to mail of our own users only, as RFC 6409 §8 allows for message
 * submission; to other mail when always_add_missing_headers says so.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { rfc5322Date } from '#mail/date.ts'
import { fromHeader } from './from-header.ts'
import { log } from '#system/log.ts'
import { outputHeader } from './output.ts'
import { SEND_OPTION, type MessageState } from './state.ts'

const cleanupLog = log.as('cleanup')

const VISIBLE_RECIPIENTS = ['to', 'cc', 'resent-to', 'resent-cc'] as const

/** @param badEnd The headers were not followed by an empty line. */
export function addMissingHeaders(state: MessageState, badEnd: boolean): void {
  const { settings, headersSeen } = state
  const adds = state.context !== undefined || settings.alwaysAddHeaders
  if (adds) {
    addMessageId(state)
    addDate(state)
    addFrom(state)
    const hidden = VISIBLE_RECIPIENTS.every((key) => !headersSeen.has(key))
    if (hidden && settings.undisclosedHeader !== '') outputHeader(state, settings.undisclosedHeader)
  }
  if (!headersSeen.has('message-id')) cleanupLog.info(`${state.id}: message-id=<>`, { queue_id: state.id })
  const requireTls = (state.sendOptions & SEND_OPTION.requireTlsEsmtp) !== 0
  if (settings.requireTls && settings.requireTlsHeader && requireTls) outputHeader(state, 'Require-TLS-ESMTP: yes')
  if (badEnd && settings.endOfHeader === 'add_header') {
    outputHeader(state, 'MIME-Error: message header was not terminated by empty line')
  }
}

function isMissing(state: MessageState, key: string): boolean {
  return !state.headersSeen.has(state.resent ? `resent-${key}` : key)
}

const prefix = (state: MessageState): string => (state.resent ? 'Resent-' : '')

/** Made of the queue id, which is unique within the second for short ones: they get the time too. */
function addMessageId(state: MessageState): void {
  if (!isMissing(state, 'message-id')) return
  const { settings, file } = state
  const time = new Date(file.seconds * 1000).toISOString().replaceAll(/[-T:]/g, '').slice(0, 14)
  const id = `<${settings.longIds ? '' : `${time}.`}${state.id}@${settings.myHostname}>`
  outputHeader(state, `${prefix(state)}Message-Id: ${id}`)
  cleanupLog.info(`${state.id}: ${prefix(state).toLowerCase()}message-id=${id}`, { queue_id: state.id })
  state.headersSeen.add(state.resent ? 'resent-message-id' : 'message-id')
  if (!state.resent) state.messageId ??= id
}

function addDate(state: MessageState): void {
  if (!isMissing(state, 'date') || state.arrival === undefined) return
  outputHeader(state, `${prefix(state)}Date: ${rfc5322Date(new Date(state.arrival.seconds * 1000))}`)
}

function addFrom(state: MessageState): void {
  if (!isMissing(state, 'from')) return
  const { sender = '', fullName = '', settings } = state
  const address = externalAddress(sender === '' ? 'MAILER-DAEMON' : sender)
  const name = sender === '' ? '' : fullName
  outputHeader(state, fromHeader(prefix(state), address, name, settings.headerFrom, settings.fullNameCharset))
}
