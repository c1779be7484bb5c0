/** Messages through our cleanup, in a temporary queue. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCleanup, type CleanupFlags, type CleanupResult, type CleanupTools } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { configFrom } from '#config/load.ts'
import { isQueueId, openSpool, queuePath, type QueueName, type Spool } from '#queue/spool.ts'
import { appendRecord, readRecords, RECORD } from '#queue/record.ts'
import { ByteWriter } from '#util/byte-writer.ts'

/** A record as tests write it: one letter and a payload, `R bob@example.com`. */
export type RecordText = string | readonly [type: string, payload: Uint8Array | string]

/** What a client of cleanup sends: three segments, without M, X and E. */
export type Input = {
  readonly envelope: readonly RecordText[]
  /** Lines, or records. */
  readonly content: readonly RecordText[] | string
  readonly extracted?: readonly RecordText[]
}

/** A queue directory for a test; removed at the end of the `using` block. */
export type TestSpool = Disposable & { readonly spool: Spool; readonly config: Config; readonly path: string }

/** Makes a queue directory, with parameters for mail of example.org. */
export function testSpool(values: Readonly<Record<string, string>> = {}, base?: Config): TestSpool {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-spool-'))
  const queues = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved', 'bounce', 'defer', 'trace']
  for (const name of queues) mkdirSync(join(path, name))
  const own = new Map(Object.entries({ queue_directory: path, queue_commit: 'fsync', ...values }))
  const config = base === undefined ? configFrom({ ...TEST_VALUES, ...Object.fromEntries(own) }) : base.withOverrides(own)
  return { spool: openSpool(config), config, path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** Parameters of a system of which no test depends on the machine's name. */
export const TEST_VALUES: Readonly<Record<string, string>> = {
  myhostname: 'mail.example.org',
  mydomain: 'example.org',
  myorigin: 'example.org',
  mydestination: 'example.org',
  inet_interfaces: '127.0.0.1',
  compatibility_level: '3.11',
}

function split(record: RecordText): readonly [number, Uint8Array | string] {
  const [type, payload] = typeof record === 'string' ? [record.charAt(0), record.slice(2)] : record
  return [type.charCodeAt(0), payload]
}

/** Content as records: a string is cut into lines. */
export function contentBytes(content: Input['content']): Uint8Array {
  const out = new ByteWriter()
  const records = typeof content === 'string' ? content.split('\n').map((line) => ['N', line] as const) : content
  for (const record of records) appendRecord(out, ...split(record))
  return out.bytes()
}

/** All records of an input, from T to E, as a client sends them over the socket. */
export function inputBytes({ envelope, content, extracted = [] }: Input): Uint8Array {
  const out = new ByteWriter()
  for (const record of envelope) appendRecord(out, ...split(record))
  appendRecord(out, RECORD.message, '')
  out.append(contentBytes(content))
  appendRecord(out, RECORD.extracted, '')
  for (const record of extracted) appendRecord(out, ...split(record))
  appendRecord(out, RECORD.end, '')
  return out.bytes()
}

const textOf = (payload: Uint8Array | string): string => (typeof payload === 'string' ? payload : Buffer.from(payload).toString())

/** Runs one message through a cleanup of its own. */
export async function submitMessage(
  config: Config,
  flags: CleanupFlags,
  input: Input,
  tools: Partial<CleanupTools> = {},
): Promise<CleanupResult> {
  const cleanup = openCleanup(config, tools)
  try {
    const message = cleanup.begin(flags)
    for (const record of input.envelope) {
      const [type, payload] = split(record)
      message.envelope(type, textOf(payload))
    }
    message.content(contentBytes(input.content))
    message.endContent()
    for (const record of input.extracted ?? []) {
      const [type, payload] = split(record)
      message.extracted(type, textOf(payload))
    }
    return await message.finish()
  } finally {
    await cleanup.close()
  }
}

/** The bytes of a file in a queue. */
export function queueBytes(spool: Spool, queue: QueueName, id: string): Uint8Array {
  if (!isQueueId(id)) throw new TypeError(`Cannot read "${id}" as it is not a queue id`)
  return readFileSync(queuePath(spool, queue, id))
}

/** The records of a file as `type payload`. */
export function recordTexts(bytes: Uint8Array): string[] {
  return [...readRecords(bytes)].map(({ type, data }) => `${String.fromCharCode(type)} ${Buffer.from(data).toString()}`)
}
