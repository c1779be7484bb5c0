/**
 * The listing of the queue: every message with its recipients and the reasons of their delay.
 *
 * Messages come one at a time, and their recipients one at a time, so that a listing needs the memory
 * of one message's log, not of the queue. Files come and go meanwhile; what vanished is left out.
 *
 * Used by the showq service, and by postqueue when the mail system is down.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { externalAddress } from '#mail/address.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { files, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, type FileFacts } from '#system/files.ts'
import { log } from '#system/log.ts'
import { printable, printableAscii } from '#util/printable.ts'
import type { QueueId } from './id.ts'
import { locate } from './journal/survivors.ts'
import { readLog, type StatusRecord } from './logs.ts'
import { EXPIRE_MODE } from './maintain.ts'
import { QueueFileError, RECORD } from './record.ts'
import { RecordReader } from './record-reader.ts'
import { MAY_RETURN_SECONDS } from './spare.ts'
import { isReady, queuePath, relativePath, scanQueue, statFile, type QueueName, type Spool } from './spool.ts'

/** Queues that are listed, in this order. */
const LISTED_QUEUES: readonly QueueName[] = ['maildrop', 'active', 'incoming', 'deferred', 'hold']
/** Of messages whose log is longer, recipients may be shown twice: with a reason, and without. */
const REMEMBERED_RECIPIENTS_MAX = 100_000
/** Bytes of one read: the content is not read. */
const READ_BYTES = 4096
/** How an empty original recipient is shown: quoted, and not as the null sender is. */
const EMPTY_ORIGINAL = '""'
/** Most addresses: the same in all forms. */
const PLAIN_ADDRESS_REGEXP = /^[\w+=-]+(?:\.[\w+=-]+)*@[\w.-]+$/
const CREATE_TIME = 'create_time='
/** What UTF-8 cannot express stands as lone surrogates in our text. */
const FOREIGN_BYTES_REGEXP = /[\ud800-\udfff]/gu

/** Where a reason comes from; empty: there is none. */
export type LogClass = 'defer' | 'bounce' | ''

/** A recipient as it is shown: external form, printable. */
export type ListedRecipient = {
  /** As it was given to us; empty: unknown, or not different. */
  readonly original: string
  readonly address: string
  readonly logClass: LogClass
  readonly reason: string
}

/** A message as it is shown. `recipients` can be read once, before the next message is asked for. */
export type ListedMessage = {
  readonly queue: QueueName
  readonly id: QueueId
  /** Arrival, seconds. */
  readonly time: number
  readonly size: number
  /** Will be returned at the next delivery attempt. */
  readonly forcedExpire: boolean
  readonly sender: string
  readonly recipients: Iterable<ListedRecipient>
}

/** How addresses are shown. */
export type ListOptions = {
  /** empty_address_recipient, for the null sender. */
  readonly emptyAddress: string
  /** smtputf8_enable: UTF-8 stays. */
  readonly utf8: boolean
}

/** The options of a configuration. */
export function listOptions(config: Config): ListOptions {
  return { emptyAddress: config.str('empty_address_recipient'), utf8: config.bool('smtputf8_enable') }
}

/** Lists one file. */
class MessageLister {
  readonly #spool: Spool
  readonly #queue: QueueName
  readonly #id: QueueId
  readonly #facts: FileFacts
  readonly #options: ListOptions
  readonly #reader: RecordReader
  /** From the records before the sender. */
  #time = 0
  #created = 0
  #size: number | undefined
  /** The sender was found, and the message is that of its name. */
  #started = false
  /** The message has left the queue: what is in its file by now may be another one (queue/spare.ts). */
  #gone = false
  /** Addresses that the logs named. */
  readonly #shown = new Set<string>()

  constructor(spool: Spool, queue: QueueName, id: QueueId, facts: FileFacts, fd: number, options: ListOptions) {
    this.#spool = spool
    this.#queue = queue
    this.#id = id
    this.#facts = facts
    this.#options = options
    this.#reader = new RecordReader(fd, 0, { readBytes: READ_BYTES, afterRead: () => this.#look() })
  }

  /** After bytes were read; of the first ones the times are looked at before. */
  #look(): void {
    if (this.#started) this.#gone ||= !this.#isItself()
  }

  /** Whether what was read is of the message: it is still there, or so old that nothing is written over it. */
  #isItself(): boolean {
    const isOld = this.#created > 0 && this.#created < Date.now() / 1000 - MAY_RETURN_SECONDS
    return isOld || isQueued(this.#spool, this.#queue, this.#id)
  }

  #warn(text: string): void {
    if (!this.#gone && (this.#started || this.#isItself())) log.warning(text)
  }

  /** The message, once its sender was found; `undefined` when there is nothing to show. */
  message(): ListedMessage | undefined {
    for (let type = this.#read(); type !== 0; type = this.#read()) {
      if (type === RECORD.sender) return this.#start(this.#address(this.#reader.text()))
      if (type === RECORD.recipient) return this.#skip('missing sender', this.#address(this.#reader.text()))
      this.#property(type)
    }
    return undefined
  }

  #start(sender: string): ListedMessage | undefined {
    if (!this.#isItself()) return undefined
    this.#started = true
    return {
      queue: this.#queue,
      id: this.#id,
      time: this.#time > 0 ? this.#time : Math.floor(this.#facts.mtimeMs / 1000),
      size: this.#size ?? this.#facts.size,
      forcedExpire: (this.#facts.mode & EXPIRE_MODE) !== 0,
      sender,
      recipients: this.#recipients(),
    }
  }

  *#recipients(): Generator<ListedRecipient, void> {
    yield* this.#logged('defer')
    yield* this.#logged('bounce')
    let original: string | undefined
    for (let type = this.#read(); type !== 0; type = this.#read()) {
      if (type === RECORD.originalRecipient) original = this.#original(this.#reader.text())
      else if (type === RECORD.recipient) {
        const address = this.#address(this.#reader.text())
        if (!this.#shown.has(address)) yield { original: original ?? address, address, logClass: '', reason: '' }
        original = undefined
      } else if (type === RECORD.done || type === RECORD.canceled) original = undefined
      else if (type === RECORD.sender) this.#skip('duplicate sender', this.#address(this.#reader.text()))
      else this.#property(type)
    }
  }

  *#logged(name: 'defer' | 'bounce'): Generator<ListedRecipient, void> {
    for (const record of this.#log(name)) {
      const address = record.recipient
      if (this.#shown.size < REMEMBERED_RECIPIENTS_MAX) this.#shown.add(address)
      yield { original: record.original ?? '', address, logClass: name, reason: record.reason }
    }
  }

  *#log(name: 'defer' | 'bounce'): Generator<StatusRecord, void> {
    try {
      // A message was deferred for a reason, but few have bounced in part.
      const isLikely = name === 'defer' && this.#queue === 'deferred'
      yield* readLog(this.#spool, name, this.#id, isLikely)
    } catch (error) {
      log.warning(`${relativePath(this.#spool, name, this.#id)}: ${errnoText(error)}`)
    }
  }

  /** Arrival time, size, and the step over the content. */
  #property(type: number): void {
    if (type === RECORD.time) this.#time ||= Number.parseInt(this.#reader.text(), 10) || 0
    else if (type === RECORD.attribute && !this.#started) this.#takeAttribute(this.#reader.text())
    else if (type === RECORD.size) this.#takeSize(this.#reader.text())
    else if (type === RECORD.message && this.#size !== undefined) this.#reader.seek(this.#reader.next + this.#size)
  }

  #takeAttribute(text: string): void {
    if (text.startsWith(CREATE_TIME)) this.#created = Number.parseInt(text.slice(CREATE_TIME.length), 10) || 0
  }

  #takeSize(text: string): void {
    if (this.#size !== undefined || this.#queue === 'maildrop') return
    const size = Number.parseInt(text, 10)
    if (size >= 0) this.#size = size
    else this.#warn(`${this.#id}: malformed size record: ${text.slice(0, 100)} -- using file size instead`)
  }

  /** The next record; 0: the end, be it a good one or not. */
  #read(): number {
    try {
      const type = this.#reader.read()
      if (!this.#gone) return type === RECORD.end ? 0 : type
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
      this.#warn(`${relativePath(this.#spool, this.#queue, this.#id)}: ${error.message}`)
    }
    this.#reader.close()
    return 0
  }

  #skip(problem: string, address: string): undefined {
    this.#warn(`${this.#id}: ${problem} address: ${address} -- skipping remainder of this file`)
    this.#reader.close()
    return undefined
  }

  #original(internal: string): string {
    return internal === '' ? EMPTY_ORIGINAL : this.#address(internal)
  }

  #address(internal: string): string {
    if (PLAIN_ADDRESS_REGEXP.test(internal)) return internal
    const external = externalAddress(internal === '' ? this.#options.emptyAddress : internal)
    const shown = external.replaceAll(FOREIGN_BYTES_REGEXP, '?')
    return this.#options.utf8 ? printable(shown) : printableAscii(shown)
  }

  close(): void {
    this.#reader.close()
  }
}

/** Whether the message is where it was, or somewhere else by now. A listing takes as long as its reader takes to read it. */
function isQueued(spool: Spool, queue: QueueName, id: QueueId): boolean {
  return (statFile(spool, queue, id) ?? locate(spool, id)) !== undefined
}

/** Opens what may be a message. `undefined`: it is gone, or no message, or not yet. */
function openMessageIfThere(spool: Spool, queue: QueueName, id: QueueId): number | undefined {
  try {
    return files.open(queuePath(spool, queue, id), O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    const facts = statFile(spool, queue, id)
    if (facts && isReady(facts)) throw error
    return undefined
  }
}

/** One message by its id, as a listing of at most one element. */
function* listFile(spool: Spool, queue: QueueName, id: QueueId, options: ListOptions): Generator<ListedMessage, void> {
  const fd = openMessageIfThere(spool, queue, id)
  if (fd === undefined) return
  let lister: MessageLister | undefined
  try {
    // Cheaper than a look at the name before.
    const facts = files.fstat(fd)
    if (!isReady(facts)) return
    lister = new MessageLister(spool, queue, id, facts, fd, options)
    const message = lister.message()
    if (message) yield message
  } finally {
    lister?.close()
    files.close(fd)
  }
}

/** All messages, in the order of the queues and of their directories. */
export function* listQueues(spool: Spool, options: ListOptions): Generator<ListedMessage, void> {
  for (const queue of LISTED_QUEUES) {
    for (const id of scanQueue(spool, queue)) yield* listFile(spool, queue, id, options)
  }
}
