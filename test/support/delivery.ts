/** A message in an active queue of its own, and an smtp or lmtp client that delivers it. */
import { mkdtempSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSmtpClient } from '#deliver/smtp/client.ts'
import { deliverRequest } from '#deliver/smtp/delivery.ts'
import { Reporter } from '#deliver/smtp/reporter.ts'
import { openCleanup } from '#cleanup/cleanup.ts'
import { configFrom } from '#config/load.ts'
import type { Resolver } from '#network/dns.ts'
import { appendRecord, RECORD, sizePayload } from '#queue/record.ts'
import type { StatusRecord } from '#queue/logs.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { queueId, type LogName } from '#queue/spool.ts'
import type { BounceClient } from '#service/bounce-client.ts'
import type { DeliverReply, DeliverRequest } from '#service/deliver.ts'
import { openDelivered } from '#service/delivered.ts'
import { FAULT, faultsToReport } from '#service/error-notice.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { comparableRecords } from '#test/support/judge.ts'
import { captureLog } from '#test/support/log.ts'
import { fakeResolver } from '#test/support/dns.ts'

/** A line of content; with `more` the line goes on in the next record. */
export type ContentLine = string | { readonly text: string; readonly more: true }

/** A message to deliver. */
export type TestMessage = {
  readonly recipients?: readonly (string | Partial<EnvelopeRecipient>)[]
  readonly content?: readonly ContentLine[]
  readonly request?: Partial<DeliverRequest>
}

/** A client with its own queue. */
export type TestClient = AsyncDisposable & {
  /** Delivers one message to `nexthop`. */
  deliver(nexthop: string, message?: TestMessage): Promise<TestDelivery>
  /** Records of the notices to postmaster since the last call, as a test compares them. */
  notices(): Promise<string[][]>
  /** Connections that wait. */
  readonly waiting: number
}

/** What became of a message. */
export type TestDelivery = {
  readonly reply: DeliverReply
  /** Log lines, delays and ports left out. */
  readonly log: string[]
  readonly records: { readonly log: LogName; readonly record: StatusRecord }[]
  /** Addresses of recipients that are marked as done. */
  readonly done: string[]
}

export type TestClientOptions = {
  readonly parameters?: Readonly<Record<string, string>>
  readonly lmtp?: boolean
  readonly flags?: string
  readonly resolver?: Resolver
}

export const QUEUE_ID = queueId('4X1')

/** Opens a client. */
export function openTestClient({ parameters = {}, lmtp = false, flags = '', resolver = fakeResolver({}) }: TestClientOptions = {}): TestClient {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-smtp-'))
  for (const name of ['active', 'incoming', 'hold']) mkdirSync(join(directory, name))
  const config = configFrom({
    queue_directory: directory, myhostname: 'client.example', hash_queue_names: 'deferred', smtp_tls_security_level: 'none', ...parameters,
  })
  const records: { log: LogName; record: StatusRecord }[] = []
  const stop = new AbortController()
  const reported = (faultsToReport(config) & FAULT.protocol) !== 0
  const reporter = reported ? new Reporter(config, openCleanup(config), lmtp) : undefined
  const delivered = openDelivered(config, recordingBounces(records))
  const client = openSmtpClient({ config, service: lmtp ? 'lmtp' : 'smtp', lmtp, flags, stop: stop.signal, resolver, delivered, reporter, random: () => 0 })
  return {
    notices: async () => {
      await reporter?.idle()
      return takeMessages(join(directory, 'incoming'))
    },
    get waiting() {
      return client.cache.size
    },
    deliver: async (nexthop, message = {}) => {
      records.length = 0
      const path = join(directory, 'active', QUEUE_ID)
      const request = writeMessage(path, nexthop, message)
      using caught = captureLog('postfix/smtp')
      const reply = await deliverRequest(request, client)
      const bytes = readFileSync(path)
      const done = request.recipients.filter(({ offset }) => bytes[offset] === RECORD.done).map(({ address }) => address)
      return { reply, log: caught.texts().map(withoutTimes), records: [...records], done }
    },
    async [Symbol.asyncDispose]() {
      stop.abort()
      await client.cache.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** The messages of a folder, as a test compares them; they are gone then. */
function takeMessages(folder: string): string[][] {
  return readdirSync(folder).toSorted().map((id) => {
    const records = comparableRecords(readFileSync(join(folder, id)), id)
    rmSync(join(folder, id))
    return records
  })
}

/** A message in a queue directory of its own, without a client. */
export type MadeMessage = Disposable & { readonly directory: string; readonly request: DeliverRequest }

/** Makes a message and the request to deliver it. */
export function createTestMessage(nexthop: string, message: TestMessage = {}): MadeMessage {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-smtp-'))
  mkdirSync(join(directory, 'active'))
  const request = writeMessage(join(directory, 'active', QUEUE_ID), nexthop, message)
  return { directory, request, [Symbol.dispose]: () => rmSync(directory, { recursive: true }) }
}

function withoutTimes(line: string): string {
  return line.replace(/delay=[\d.]+, delays=[\d./]+/, 'DELAYS').replaceAll(/(127\.0\.0\.1\]:)\d{4,5}/g, '$1PORT')
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('not for this test'))
}

function recordingBounces(records: { log: LogName; record: StatusRecord }[]): BounceClient {
  return {
    append: (log, _id, record) => {
      records.push({ log, record })
      return Promise.resolve()
    },
    flush: refuse, verp: refuse, warn: refuse, trace: refuse, one: refuse, close: () => undefined,
  }
}

const DEFAULT_CONTENT: readonly ContentLine[] = ['From: sender@client.example', 'Subject: test', '', 'Hello,', '.', '..two', 'bye']

/** Writes a queue file with Postfix's records, and the request that qmgr would make of it. */
function writeMessage(path: string, nexthop: string, { recipients = ['r@mx.example'], content = DEFAULT_CONTENT, request = {} }: TestMessage): DeliverRequest {
  const out = new ByteWriter()
  appendRecord(out, RECORD.size, sizePayload({ contentSize: 0, dataOffset: 0, recipientCount: 0, qmgrFlags: 0, contentLength: 0, sendOptions: 0 }))
  appendRecord(out, RECORD.sender, 'sender@client.example')
  const envelope = recipients.map((given): EnvelopeRecipient => {
    const recipient = typeof given === 'string' ? { address: given } : given
    const offset = out.length
    appendRecord(out, RECORD.recipient, recipient.address ?? '')
    return { address: '', original: recipient.address ?? '', dsnOrcpt: '', notify: 0, ...recipient, offset }
  })
  appendRecord(out, RECORD.message, '')
  const dataOffset = out.length
  for (const line of content) {
    if (typeof line === 'string') appendRecord(out, RECORD.text, Buffer.from(line, 'latin1'))
    else appendRecord(out, RECORD.textPart, Buffer.from(line.text, 'latin1'))
  }
  const contentSize = out.length - dataOffset
  appendRecord(out, RECORD.extracted, '')
  appendRecord(out, RECORD.end, '')
  writeFileSync(path, out.bytes())
  const now = Date.now()
  return {
    queueName: 'active', queueId: QUEUE_ID, dataOffset, contentSize, contentLength: contentSize, sendOptions: 0,
    sender: 'sender@client.example', nexthop, encoding: '7bit', envelopeId: '', retFlags: 0,
    flags: { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false },
    arrival: { seconds: Math.trunc(now / 1000), microseconds: 0 }, activeArrival: now, clientName: '', clientAddress: '',
    clientPort: '', heloName: '', protocolName: '', saslMethod: '', saslUsername: '', saslSender: '', logIdent: '',
    rewriteContext: 'local', recipients: envelope, ...request,
  }
}
