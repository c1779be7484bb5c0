/** Any bytes as the records of a message: cleanup takes or refuses them, and what it writes can be read again. */
import { readFileSync } from 'node:fs'
import { openCleanup } from '#cleanup/cleanup.ts'
import { setLog } from '#system/log.ts'
import { QueueFileError, RECORD, readHead, readRecords } from '#queue/record.ts'
import { queuePath } from '#queue/spool.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { silentLog } from '#test/support/silent-log.ts'
import { testSpool } from '#test/support/cleanup.ts'

setLog(silentLog)

/** One queue for all runs: it goes with the process. */
const queue = testSpool({
  virtual_alias_maps: 'inline:{{a=b c}}', masquerade_domains: 'example.org', strict_8bitmime: 'yes',
  header_checks: 'static:WARN', body_checks: 'static:DUNNO', message_size_limit: '20000',
})
process.once('exit', () => queue[Symbol.dispose]())
const cleanup = openCleanup(queue.config, {
  committer: { commit: async (file) => { file.flush(); file.close() }, close: () => Promise.resolve() },
})

/** Whole records of a segment, up to and without `end`. @returns Where it ends. */
function segment(bytes: Uint8Array, start: number, end: number, record: (type: number, from: number, to: number) => void): number {
  let at = start
  while (at < bytes.length) {
    let head: ReturnType<typeof readHead>
    try {
      head = readHead(bytes, at)
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
    }
    if (head === undefined || head.start + head.length > bytes.length) return bytes.length
    const next = head.start + head.length
    if (head.type === end) return next
    record(head.type, head.start, next)
    at = next
  }
  return at
}

/** The bytes are what a client of cleanup sends. */
export async function target(bytes: Uint8Array): Promise<void> {
  const message = cleanup.begin({ filter: true, map: true, bcc: true, autoutf8: true, bounce: bytes.length % 2 === 0 })
  const text = (from: number, to: number): string => decodeRaw(bytes.subarray(from, to))
  const content = segment(bytes, 0, RECORD.message, (type, from, to) => message.envelope(type, text(from, to)))
  const extracted = segment(bytes, content, RECORD.extracted, () => undefined)
  message.content(bytes.subarray(content, Math.max(content, extracted - 2)))
  message.endContent()
  segment(bytes, extracted, RECORD.end, (type, from, to) => message.extracted(type, text(from, to)))
  const result = await message.finish()
  if (!result.queued) return
  const file = readFileSync(queuePath(queue.spool, 'incoming', result.id))
  const types = [...readRecords(file)].map(({ type }) => type)
  for (const type of [RECORD.size, RECORD.message, RECORD.extracted, RECORD.end]) {
    if (!types.includes(type)) throw new Error(`Queue file lacks a record of type ${type}`)
  }
}
