/**
 * The queue file of a transaction: opened with the first good recipient, its
 * envelope written from what the session knows.
 *
 * @module
 */
import { overriddenFlags } from '#cleanup/flags.ts'
import { UNKNOWN_NAME } from '#network/dns/client-name.ts'
import { RECORD } from '#queue/record.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import type { Message } from './ports.ts'
import { refuseFor, type Outcome, type Session } from './session.ts'
import { wait, type Work } from './work.ts'

/** Opens the message, unless it is open; returns what to reply when that fails. */
export function* openMessage(session: Session): Work<Outcome | undefined> {
  if (session.message !== undefined) return undefined
  const { settings, ports, transaction } = session
  if (settings.proxyFilter !== '') return noProxy(session)
  const flags = overriddenFlags(
    { filter: true, bcc: true, map: true, milter: true, smtpReply: true }, settings.overrides,
  )
  try {
    session.message = yield* wait(ports.begin({
      ...flags,
      smtputf8: transaction.smtputf8,
      autoutf8: !transaction.smtputf8 && settings.autoUtf8,
      requireTls: transaction.requireTls,
    }))
  } catch (error) {
    return cannotOpen(session, error)
  }
  writeEnvelope(session, session.message)
  logClient(session, session.message.id)
  return undefined
}

function cannotOpen(session: Session, error: unknown): Outcome {
  session.ports.log.warning(`mail_queue_enter: create file: ${errnoText(error)}`)
  if (errnoCode(error) === 'ENOSPC' || errnoCode(error) === 'EDQUOT') {
    return refuseFor('resource', '452 4.3.1 Insufficient system storage')
  }
  return refuseFor('resource', '451 4.3.0 Error: queue file write error')
}

/** A proxy that does not answer: what a real one that is down causes. */
function noProxy(session: Session): Outcome {
  const { settings, ports } = session
  ports.log.warning(`connect to proxy filter ${settings.proxyFilter}: smtpd_proxy_filter is not supported`)
  return refuseFor('software', '451 4.3.0 Error: queue file write error')
}

function attribute(message: Message, name: string, value: string | undefined): void {
  if (value !== undefined && value !== '') message.envelope(RECORD.attribute, `${name}=${value}`)
}

function writeEnvelope(session: Session, message: Message): void {
  const { transaction, settings, forwarded } = session
  const milliseconds = transaction.arrival.getTime()
  if (!session.standAlone) {
    // postdrop takes neither: it has its own clock, and pickup names the filter.
    message.envelope(RECORD.time, `${Math.trunc(milliseconds / 1000)} ${(milliseconds % 1000) * 1000}`)
    if (settings.contentFilter !== '') message.envelope(RECORD.filter, settings.contentFilter)
  }
  if (!session.standAlone) attribute(message, 'log_ident', forwarded?.ident ?? message.id)
  attribute(message, 'rewrite_context', forwarded?.domain ?? transaction.context)
  attribute(message, 'sasl_method', session.saslMethod)
  attribute(message, 'sasl_username', session.saslUsername)
  attribute(message, 'sasl_sender', transaction.authSender)
  attribute(message, 'envelope_id', transaction.envelopeId)
  if (transaction.returnFlags > 0) attribute(message, 'ret_flags', String(transaction.returnFlags))
  message.envelope(RECORD.sender, transaction.sender ?? '')
  attribute(message, 'encoding', transaction.encoding)
  if (!session.standAlone) writeClient(session, message)
  if (transaction.verp !== undefined) message.envelope(RECORD.verp, transaction.verp)
}

/** What an upstream that uses XFORWARD does not say is not known; else it is the client that counts. */
function logged(session: Session, field: 'name' | 'address' | 'rfcAddress' | 'port' | 'protocol', own: string): string {
  const { forwarded } = session
  return forwarded === undefined ? own : forwarded[field] ?? UNKNOWN_NAME
}

/** The client for the log of later programs (that of XFORWARD, if any), and the one that is connected. */
function writeClient(session: Session, message: Message): void {
  const { client, server, forwarded } = session
  attribute(message, 'log_client_name', logged(session, 'name', client.name))
  attribute(message, 'log_client_address', logged(session, 'rfcAddress', client.rfcAddress))
  attribute(message, 'log_client_port', logged(session, 'port', client.port))
  attribute(message, 'log_message_origin', forwarded === undefined ? session.clientLabel : forwardedLabel(session))
  attribute(message, 'log_helo_name', forwarded === undefined ? session.heloName : forwarded.helo)
  attribute(message, 'log_protocol_name', logged(session, 'protocol', session.protocol))
  attribute(message, 'client_name', client.name)
  attribute(message, 'reverse_client_name', client.reverseName)
  attribute(message, 'client_address', client.address)
  attribute(message, 'client_port', client.port)
  attribute(message, 'server_address', server.address)
  attribute(message, 'server_port', server.port)
  attribute(message, 'helo_name', session.heloName)
  attribute(message, 'protocol_name', session.protocol)
  attribute(message, 'client_address_type', String(client.addressType))
}

/** `name[address]`, or the name alone where the address is not known. */
function forwardedLabel(session: Session): string {
  const { client, settings } = session
  const name = logged(session, 'name', client.name)
  const address = logged(session, 'address', client.address)
  if (address === UNKNOWN_NAME) return name
  return `${name}[${address}]${settings.clientPortLogging ? `:${logged(session, 'port', client.port)}` : ''}`
}

/** `QID: client=…`: the line that log readers start a message with. */
function logClient(session: Session, id: string): void {
  const { saslMethod, saslUsername, transaction: { authSender }, forwarded } = session
  const words = [`client=${session.clientLabel}`]
  if (saslMethod !== undefined) words.push(`sasl_method=${saslMethod}`)
  if (saslUsername !== undefined) words.push(`sasl_username=${saslUsername}`)
  if (authSender !== undefined && authSender !== '') words.push(`sasl_sender=${authSender}`)
  if (forwarded?.ident !== undefined && forwarded.ident !== '') words.push(`orig_queue_id=${forwarded.ident}`)
  if (forwarded !== undefined) words.push(`orig_client=${forwardedLabel(session)}`)
  session.ports.log.info(`${id}: ${words.join(', ')}`, { queue_id: id, client: session.client.address })
}
