/**
 * A queued message in the form in which one session sends it.
 *
 * Source: smtp(8); RFC 6152 §3 (8BITMIME), RFC 5321 §4.5.2.
 */
import type { OpenMessage } from '#queue/content.ts'
import { QueueFileError } from '#queue/record.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { log } from '#system/log.ts'
import { isAscii } from '#util/ascii.ts'
import type { SmtpClient } from './client.ts'
import { mailCommand, rcptCommand, SEND_OPTION, xforwardCommands } from './commands.ts'
import { WireEncoder } from './content.ts'
import type { Failure } from './failure.ts'
import type { AddedHeaders } from './filters.ts'
import type { GenericAddresses } from './generic.ts'
import type { Progress, Slot } from './progress.ts'
import type { Session } from './session.ts'
import type { Outgoing } from './transaction.ts'

/** Whether the message may only go to servers that know SMTPUTF8. RFC 6531 §3.2. */
export function needsSmtpUtf8({ sendOptions, recipients }: DeliverRequest): boolean {
  if ((sendOptions & SEND_OPTION.smtpUtf8Requested) === 0) return false
  const derived = SEND_OPTION.smtpUtf8Header | SEND_OPTION.smtpUtf8Sender | SEND_OPTION.smtpUtf8Recipient
  return (sendOptions & derived) !== 0 || recipients.some(({ address }) => !isAscii(address))
}

/** Prepares commands and content for a session. @throws {LocalDataError} */
export async function outgoingMessage(
  session: Session, progress: Progress, message: OpenMessage, client: SmtpClient,
): Promise<Outgoing> {
  const { request } = progress
  const { settings, generic } = client
  const { capabilities } = session
  const downgrade = !capabilities.eightBitMime && !settings.disableDowngrade && request.encoding !== '7bit'
  const wire = generic.empty ? undefined : await mappedAddresses(request, progress.left, generic)
  const content = new Content(request, message, client, { downgrade, added: addedHeaders(request, client) })
  return {
    xforward: settings.sendXforward ? xforwardCommands(request, capabilities.xforward) : {},
    mail: mailCommand({
      sender: wire?.sender ?? request.sender, contentLength: request.contentLength, encoding: request.encoding,
      envelopeId: request.envelopeId, retFlags: request.retFlags, sendOptions: request.sendOptions, downgrade,
      dummyAuth: settings.saslEnabled && settings.dummyMailAuth && capabilities.offersAuth,
    }, capabilities, settings.quoteEnvelope),
    rcpt: ({ recipient }) => rcptCommand(
      { ...recipient, address: wire?.recipients.get(recipient.address) ?? recipient.address },
      capabilities, settings.quoteEnvelope, request.sendOptions,
    ),
    content: () => content.chunks(),
    contentFailure: () => content.failure,
  }
}

type Mapped = { readonly sender: string; readonly recipients: ReadonlyMap<string, string> }

async function mappedAddresses(
  request: DeliverRequest, slots: readonly Slot[], generic: GenericAddresses,
): Promise<Mapped> {
  const recipients = new Map<string, string>()
  for (const { recipient } of slots) recipients.set(recipient.address, await generic.map(recipient.address))
  return { sender: await generic.map(request.sender), recipients }
}

/** The headers that `flags=` of master.cf asks for, in the order of mail files. */
function addedHeaders({ sender, recipients }: DeliverRequest, { flags }: SmtpClient): AddedHeaders {
  const [recipient] = recipients
  const added = []
  if (flags.includes('R')) added.push({ label: 'Return-Path', address: sender, brackets: true })
  if (flags.includes('O')) added.push({ label: 'X-Original-To', address: recipient?.original ?? '', brackets: false })
  if (flags.includes('D')) added.push({ label: 'Delivered-To', address: recipient?.address ?? '', brackets: false })
  return added
}

type ContentNeeds = { readonly downgrade: boolean; readonly added: AddedHeaders }

/** The content of one message for one session. */
class Content {
  /** Why it cannot be sent. */
  failure: Failure | undefined
  readonly #request: DeliverRequest
  readonly #message: OpenMessage
  readonly #client: SmtpClient
  readonly #needs: ContentNeeds
  #saidBreaking = false

  constructor(request: DeliverRequest, message: OpenMessage, client: SmtpClient, needs: ContentNeeds) {
    this.#request = request
    this.#message = message
    this.#client = client
    this.#needs = needs
  }

  chunks(): Iterable<Uint8Array> | AsyncIterable<Uint8Array> {
    return this.#client.filters.needed(this.#needs) ? this.#filtered() : this.#plain()
  }

  *#plain(): Generator<Uint8Array, void> {
    const encoder = this.#encoder()
    try {
      for (const _ of this.#message.contentFor(encoder, this.#request.dataOffset)) {
        if (encoder.full) yield encoder.take()
      }
    } catch (error) {
      this.#unreadable(error)
      return
    }
    yield encoder.finish()
    encoder.release()
  }

  async *#filtered(): AsyncGenerator<Uint8Array, void> {
    const encoder = this.#encoder()
    const filter = this.#client.filters.open({ ...this.#needs, queueId: this.#request.queueId, encoder })
    try {
      await filter.begin()
      for (const { type, data } of this.#message.contentRecords(this.#request.dataOffset)) {
        await filter.line(data, type === 'N')
        this.failure = filter.failure
        if (this.failure !== undefined) return
        if (encoder.full) yield encoder.take()
      }
      await filter.end()
    } catch (error) {
      this.#unreadable(error)
      return
    }
    this.failure = filter.failure
    yield encoder.finish()
    encoder.release()
  }

  #unreadable(error: unknown): void {
    if (!(error instanceof QueueFileError)) throw error
    log.warning(error.message)
    this.failure = { dsn: '5.3.0', reason: 'unreadable mail queue entry' }
  }

  #encoder(): WireEncoder {
    const { lineLimit } = this.#client.settings
    return new WireEncoder(lineLimit, () => this.#sayBreaking(lineLimit), this.#request.contentLength)
  }

  /** Said once for a message. */
  #sayBreaking(limit: number): void {
    const { queueId } = this.#request
    if (this.#saidBreaking) return
    this.#saidBreaking = true
    log.info(`${queueId}: breaking line > ${limit} bytes with <CR><LF>SPACE`, { queue_id: queueId })
  }
}
