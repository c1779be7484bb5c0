/** Body records on the short way into the queue file: see src/cleanup/copy.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { openCleanup } from '#cleanup/cleanup.ts'
import { contentBytes, queueBytes, recordTexts, submitMessage, testSpool, type Input, type RecordText } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'

const ENVELOPE = ['T 1795168578 593490', 'S alice@example.com', 'R bob@example.net']
const HEADER = ['N Received: x', 'N Message-Id: <a@b>', 'N Content-Type: multipart/mixed; boundary=b', 'N ']
const STRAYS = 'cleanup_replace_stray_cr_lf'

const x = (length: number): string => 'x'.repeat(length)
const LINES: readonly string[] = [
  '', 'a', '-', '--', '--x', '--b', '--b--', 'Content-Type: text/plain', 'Content-Type: multipart/mixed; boundary=c', '--c',
  x(10), x(13), x(126), x(127), x(128), x(511), x(512), x(513), x(1100), 'a\rb', 'a\nb', '\r', `${x(140)}\r`, 'ä',
]
const records = fc.array(
  fc.tuple(fc.constantFrom('N', 'N', 'N', 'L'), fc.constantFrom(...LINES)), { maxLength: 40 },
)

async function stored(content: readonly RecordText[], values: Readonly<Record<string, string>>): Promise<readonly string[]> {
  using _ = captureLog()
  using queue = testSpool({ line_length_limit: '512', ...values })
  const input: Input = { envelope: ENVELOPE, content: [...HEADER, ...content] }
  const { id } = await submitMessage(queue.config, { filter: true }, input)
  const all = recordTexts(queueBytes(queue.spool, 'incoming', id))
  return all.slice(all.indexOf('M ') + 1)
}

test('cleanup writes the same records whether it looks at each line or not', async () => {
  await fc.assert(fc.asyncProperty(records, fc.boolean(), async (content, replaced) => {
    const values = { [STRAYS]: replaced ? 'yes' : 'no' }
    const looked = await stored(content, { ...values, body_checks: 'static:DUNNO' })
    assert.deepEqual(await stored(content, values), looked)
  }), { numRuns: 60 })
})

test('cleanup sees headers of parts behind lines that it does not look at [RFC 2046 §5.1.1]', async () => {
  using captured = captureLog()
  using queue = testSpool({ mime_header_checks: 'static:WARN seen' })
  const content = [...HEADER, ...Array.from({ length: 300 }, () => `N ${x(76)}`), 'N --b', 'N X-Part: 1', 'N ', 'N --b--']
  const { id } = await submitMessage(queue.config, { filter: true }, { envelope: ENVELOPE, content })
  assert.equal(captured.texts().filter((text) => text.startsWith(`${id}: warning: header X-Part: 1`)).length, 1)
})

test('cleanup refuses damage behind records that are copied, and says so once', async () => {
  using queue = testSpool()
  const whole = Buffer.from(contentBytes([...HEADER, 'N body', 'N more']))
  for (const [bytes, warning] of [
    [whole.subarray(0, -1), 'message rejected: malformed record in message content'],
    [Buffer.concat([whole, Buffer.from('Z\u0001x')]), 'message rejected: unexpected record type 90 in message content'],
    [Buffer.concat([whole, Buffer.alloc(6, 0xff)]), 'message rejected: malformed record in message content'],
  ] as const) {
    using captured = captureLog()
    const cleanup = openCleanup(queue.config)
    const message = cleanup.begin({ filter: true })
    for (const record of ENVELOPE) message.envelope(record.charCodeAt(0), record.slice(2))
    message.content(bytes)
    message.endContent()
    const { status } = await message.finish()
    await cleanup.close()
    assert.notEqual(status, 0)
    assert.deepEqual(captured.texts().filter((text) => text.includes('message rejected')), [`warning: ${message.id}: ${warning}`])
  }
})
