/**
 * The requests of the services bounce, defer and trace.
 *
 * Records of one message that come while another is being synced wait together and share the next sync.
 * Order of a flush: notices are queued, then recipients are marked done, then the log goes; a crash in
 * between repeats a notice, and loses none.
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import { externalAddress, internalAddress } from '#mail/address.ts'
import { verpAddress } from '#mail/verp.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openMessage, type OpenMessage } from '#queue/content.ts'
import { readEnvelope } from '#queue/envelope.ts'
import { appendLog, readLog, removeLog, type StatusRecord } from '#queue/logs.ts'
import { markDone } from '#queue/mark.ts'
import { isQueueId, type LogName, type QueueId, type QueueName, type Spool } from '#queue/spool.ts'
import type { BounceReply, BounceRequest, NoticeMessage } from '#service/bounce-client.ts'
import { sendNotice, type Original } from './notify.ts'
import { planNotices, type Notice, type Occasion, type PlanMessage } from './plan.ts'
import type { BounceSettings } from './settings.ts'

const OK: BounceReply = { status: 0 }
const FAILED: BounceReply = { status: -1 }
const TRACE_VERIFY = 512 | 1024
const MESSAGE_QUEUES: readonly QueueName[] = ['active', 'incoming', 'deferred', 'hold', 'maildrop']

type Waiting = { records: StatusRecord[]; done: Promise<void> }

/** One of the three services. */
export class BounceService {
  readonly #log: LogName
  readonly #spool: Spool
  readonly #settings: BounceSettings
  readonly #cleanup: Cleanup
  readonly #waiting = new Map<QueueId, Waiting>()

  constructor(logName: LogName, spool: Spool, settings: BounceSettings, cleanup: Cleanup) {
    this.#log = logName
    this.#spool = spool
    this.#settings = settings
    this.#cleanup = cleanup
  }

  /** Carries out one request; never rejects. */
  async handle(request: BounceRequest): Promise<BounceReply> {
    try {
      return await this.#handle(request)
    } catch (error) {
      const id = 'queueId' in request ? request.queueId : request.message.queueId
      log.warning(`${id}: ${this.#log} service: ${request.kind}: ${errnoText(error)}`, { queue_id: id })
      return FAILED
    }
  }

  async #handle(request: BounceRequest): Promise<BounceReply> {
    switch (request.kind) {
      case 'append': return this.#append(request.queueId, request.record, request.deleteRecipient === true)
      case 'flush': return this.#report('failure', request.message, { clean: request.clean === true })
      case 'verp': return this.#report('failure', request.message, { verp: request.delimiters })
      case 'warn': return this.#report('delay', request.message, {})
      case 'trace': return this.#report('trace', request.message, {})
      case 'one': return this.#one(request.message, request.record, request.deleteRecipient === true)
      default: return request satisfies never
    }
  }

  async #append(queueId: string, record: StatusRecord, mark: boolean): Promise<BounceReply> {
    const id = checkedId(queueId)
    const waiting = this.#waiting.get(id)
    if (waiting) {
      waiting.records.push(record)
      await waiting.done
    } else {
      const batch: Waiting = { records: [record], done: Promise.resolve() }
      batch.done = this.#writeBatch(id, batch)
      this.#waiting.set(id, batch)
      await batch.done
    }
    if (mark) this.#markRecords(id, 'active', [record])
    return OK
  }

  /** Waits for the rest of this turn's records, then for the append before, then writes all in one. */
  async #writeBatch(id: QueueId, batch: Waiting): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    this.#waiting.delete(id)
    await appendLog(this.#spool, this.#log, id, batch.records, { compatible: this.#settings.compatibleLog })
  }

  async #report(
    occasion: Occasion, about: NoticeMessage, how: { clean?: boolean; verp?: string },
  ): Promise<BounceReply> {
    const id = checkedId(about.queueId)
    using original = this.#openOriginal(id, about.queueName)
    // A log of deferrals becomes a bounce: its recipients are done, and must not be tried again.
    const isGivenUp = occasion === 'failure' && this.#log === 'defer'
    const logged = [...readLog(this.#spool, this.#log, id)]
    const records = isGivenUp ? [...logged, ...unlogged(id, logged, original.facts)] : logged
    const notices = this.#plan(occasion, about, records, original)
    const sent = await this.#send(
      id, how.verp === undefined ? notices : perRecipient(notices, about.sender, how.verp), about, original,
    )
    if (!sent && how.clean !== true) return FAILED
    if (isGivenUp) this.#markGivenUp(id, queueName(about.queueName), records)
    if (occasion !== 'delay') removeLog(this.#spool, this.#log, id)
    return sent ? OK : FAILED
  }

  async #one(about: NoticeMessage, record: StatusRecord, mark: boolean): Promise<BounceReply> {
    const id = checkedId(about.queueId)
    using original = this.#openOriginal(id, about.queueName)
    const sent = await this.#send(id, this.#plan('failure', about, [record], original), about, original)
    if (sent && mark) this.#markRecords(id, queueName(about.queueName), [record])
    return sent ? OK : FAILED
  }

  #plan(occasion: Occasion, about: NoticeMessage, records: readonly StatusRecord[], original: OpenOriginal): Notice[] {
    const message: PlanMessage = {
      sender: about.sender, retFlags: about.retFlags, contentSize: original.facts?.envelope.contentSize,
      verify: ((original.facts?.envelope.traceFlags ?? 0) & TRACE_VERIFY) !== 0,
    }
    const { notices, silent } = planNotices(occasion, message, records, this.#settings)
    if (silent) log[silent.level](`${about.queueId}: ${silent.line}`, { queue_id: about.queueId })
    return [...notices]
  }

  /** A failed copy for postmaster does not hold up the message; a failed notice to the sender does. */
  async #send(id: QueueId, notices: readonly Notice[], about: NoticeMessage, original: OpenOriginal): Promise<boolean> {
    let sent = true
    for (const notice of notices) {
      try {
        await sendNotice(notice, about, original.facts, this.#settings, this.#cleanup)
      } catch (error) {
        const whom = notice.forPostmaster ? 'postmaster notice failed while bouncing' : 'sender notification failed'
        log.warning(`${id}: ${whom} to ${about.sender}: ${errnoText(error)}`, { queue_id: id })
        if (!notice.forPostmaster || about.sender === '') sent = false
      }
    }
    return sent
  }

  #openOriginal(id: QueueId, queue: string): OpenOriginal {
    let message: OpenMessage | undefined
    try {
      message = openMessage(this.#spool, queueName(queue), id)
      return new OpenOriginal({ message, envelope: readEnvelope(message.fd, { id, recipientLimit: 1 }) })
    } catch (error) {
      message?.close()
      log.warning(`${id}: cannot read the original message: ${errnoText(error)}`, { queue_id: id })
      return new OpenOriginal(undefined)
    }
  }

  /** The notice is on its way: a failure to mark must not repeat it, and the whole message goes next. */
  #markGivenUp(id: QueueId, queue: QueueName, records: readonly StatusRecord[]): void {
    try {
      this.#markRecords(id, queue, records)
    } catch (error) {
      log.warning(`${id}: cannot mark its recipients: ${errnoText(error)}`, { queue_id: id })
    }
  }

  #markRecords(id: QueueId, queue: QueueName, records: readonly StatusRecord[]): void {
    using message = openMessage(this.#spool, queue, id)
    for (const { offset } of records) if (offset !== undefined && offset > 0) markDone(message.fd, offset)
  }
}

/** Recipients that are given up although the log does not know them: it could not be written when they were deferred. */
function unlogged(id: QueueId, logged: readonly StatusRecord[], original: Original): StatusRecord[] {
  if (!original) return []
  const known = new Set(logged.map(({ offset }) => offset))
  const { recipients } = readEnvelope(original.message.fd, { id })
  return recipients.filter(({ offset }) => !known.has(offset)).map((recipient) => ({
    recipient: externalAddress(recipient.address), original: externalAddress(recipient.original),
    offset: recipient.offset, dsnOrcpt: recipient.dsnOrcpt, notify: recipient.notify,
    // RFC 3463 §3.5 "delivery time expired".
    status: '4.4.7', action: 'delayed', reason: 'delivery time expired',
  }))
}

/** The original message while notices about it are made. */
class OpenOriginal {
  readonly facts: Original

  constructor(facts: Original) {
    this.facts = facts
  }

  [Symbol.dispose](): void {
    this.facts?.message.close()
  }
}

function checkedId(text: string): QueueId {
  if (!isQueueId(text)) throw new Error('not a queue id')
  return text
}

function queueName(text: string): QueueName {
  const name = MESSAGE_QUEUES.find((queue) => queue === text)
  if (name === undefined) throw new Error(`unknown queue "${text}"`)
  return name
}

/** One notice for each recipient, with the recipient in the address it goes to. */
function perRecipient(notices: readonly Notice[], sender: string, delimiters: string): Notice[] {
  return notices.flatMap((notice) => {
    if (notice.forPostmaster) return [notice]
    return notice.records.map((record) => {
      const recipient = verpAddress(sender, internalAddress(record.original || record.recipient), delimiters)
      return { ...notice, records: [record], recipient }
    })
  })
}
