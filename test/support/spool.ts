/** A queue directory in a temporary folder, and messages to put into it. */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { appendRecord, RECORD, sizePayload, SIZE_RECORD_BYTES, type SizeFields } from '#queue/record.ts'
import { queueId, queuePath, type QueueId, type Spool, type SpoolName } from '#queue/spool.ts'
import { ByteWriter } from '#util/byte-writer.ts'

const DIRECTORIES = [
  'maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved', 'bounce', 'defer', 'trace', 'flush', 'public', 'private',
] as const

/** A spool that is removed at the end of the `using` block. */
export type TestSpool = Disposable & {
  readonly spool: Spool
  readonly path: string
  /** Puts a complete file into a queue. */
  put(queue: SpoolName, name: string, bytes: Uint8Array | string, mode?: number): QueueId
  has(queue: SpoolName, name: string): boolean
  /** Names in a queue, sorted; with their hash directories. */
  names(queue: SpoolName): string[]
}

/** Makes an empty queue directory. */
export function createSpool(options: Partial<Omit<Spool, 'path'>> = {}): TestSpool {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-spool-'))
  for (const name of DIRECTORIES) mkdirSync(join(path, name))
  const spool: Spool = { path, hashNames: new Set(['deferred', 'defer']), hashDepth: 1, longIds: false, ...options }
  return {
    spool,
    path,
    put: (queue, name, bytes, mode = 0o700) => {
      const file = queuePath(spool, queue, name)
      mkdirSync(dirname(file), { recursive: true })
      writeFileSync(file, bytes)
      chmodSync(file, mode)
      return queueId(name)
    },
    has: (queue, name) => existsSync(queuePath(spool, queue, name)),
    names: (queue) => readdirSync(join(path, queue), { recursive: true, encoding: 'utf8' }).toSorted(),
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  }
}

/** A record as type and payload. */
export type RecordPair = readonly [type: number, payload: string | Uint8Array]

/** Records as bytes. */
export function recordBytes(records: readonly RecordPair[]): Uint8Array {
  const out = new ByteWriter()
  for (const [type, payload] of records) appendRecord(out, type, payload)
  return out.bytes()
}

/** What a message of the tests is made of. */
export type TestMessage = {
  readonly envelope?: readonly RecordPair[]
  readonly content?: readonly RecordPair[]
  readonly extracted?: readonly RecordPair[]
  /** After the end record. */
  readonly tail?: readonly RecordPair[]
  readonly size?: Partial<SizeFields>
}

/** The time of all test messages. */
export const TEST_TIME: readonly RecordPair[] = [
  [RECORD.time, '1795168578 593490'], [RECORD.attribute, 'create_time=1795168578'],
]
export const TEST_SENDER: RecordPair = [RECORD.sender, 'alice@example.org']

/** A recipient with its original one. */
export function recipientRecords(address: string): RecordPair[] {
  return [[RECORD.originalRecipient, address], [RECORD.recipient, address]]
}

const TEST_CONTENT: readonly RecordPair[] = [[RECORD.text, 'Subject: hi'], [RECORD.text, ''], [RECORD.text, 'Hello']]

/** A whole queue file with right sizes. */
export function messageBytes(message: TestMessage = {}): Uint8Array {
  const envelope = recordBytes(message.envelope ?? [...TEST_TIME, TEST_SENDER, ...recipientRecords('bob@example.net')])
  const content = recordBytes(message.content ?? TEST_CONTENT)
  const after = recordBytes([[RECORD.extracted, ''], ...(message.extracted ?? []), [RECORD.end, ''], ...(message.tail ?? [])])
  const size = sizePayload({
    contentSize: content.length, dataOffset: SIZE_RECORD_BYTES + envelope.length + 2, recipientCount: 1, qmgrFlags: 0,
    contentLength: content.length, sendOptions: 0, ...message.size,
  })
  return Buffer.concat([recordBytes([[RECORD.size, size]]), envelope, recordBytes([[RECORD.message, '']]), content, after])
}
