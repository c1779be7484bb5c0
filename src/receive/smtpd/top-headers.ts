/**
 * What smtpd puts above the client's content: headers of PREPEND actions, and Received.
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { rfc5322Date } from '#mail/date.ts'
import { appendRecord, RECORD } from '#queue/record.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { receivedHeader } from './received.ts'
import type { Session } from './session.ts'

/** Starts the content of the open message. */
export function writeReceived(session: Session): void {
  const { settings, transaction, client, message } = session
  const out = new ByteWriter(512)
  for (const header of transaction.prepended) {
    for (const line of header.split(/\r?\n/)) appendRecord(out, RECORD.text, line)
  }
  const lines = receivedHeader({
    heloName: session.heloName ?? '',
    clientName: client.name,
    clientAddress: client.rfcAddress,
    tls: settings.tlsReceivedHeader ? session.tls?.received : undefined,
    authenticated: settings.saslAuthenticatedHeader ? session.saslUsername : undefined,
    hostname: settings.myhostname,
    mailName: settings.mailName,
    protocol: session.protocol,
    overTls: session.tls !== undefined,
    login: session.saslUsername !== undefined,
    smtputf8: transaction.smtputf8,
    queueId: message?.id,
    recipient: transaction.recipientCount === 1 ? externalAddress(transaction.firstRecipient ?? '') : undefined,
    date: rfc5322Date(transaction.arrival),
    hidden: settings.hideClientSession,
  })
  for (const line of lines) appendRecord(out, RECORD.text, line)
  message?.content(out.bytes())
}
