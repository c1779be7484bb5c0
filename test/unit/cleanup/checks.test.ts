/** Actions of header_checks and body_checks: what they do to a message and what they log. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CleanupResult } from '#cleanup/cleanup.ts'
import { queueBytes, recordTexts, submitMessage, testSpool } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'

type Made = { readonly result: CleanupResult; readonly records: readonly string[]; readonly log: readonly string[] }

/** A message with one line that the check is about. */
async function check(action: string, where: 'header' | 'body' = 'header'): Promise<Made> {
  using captured = captureLog()
  using queue = testSpool()
  const file = join(queue.path, 'checks')
  writeFileSync(file, `/^X-Test/ ${action}\n`)
  const config = queue.config.withOverrides(new Map([[`${where}_checks`, `pcre:${file}`]]))
  const result = await submitMessage(config, { filter: true }, {
    envelope: ['T 1795168578 1', 'A rewrite_context=remote', 'S alice@example.com', 'A log_message_origin=h[192.0.2.7]', 'A log_protocol_name=ESMTP', 'A log_helo_name=he', 'R bob@example.net'],
    content: `Received: x\n${where === 'header' ? 'X-Test: it\n' : ''}Message-Id: <a@b>\n\n${where === 'body' ? 'X-Test: it\n' : ''}end`,
  })
  const folder = result.status !== 0 ? undefined : result.queued ? 'incoming' : 'hold'
  const dropped = captured.texts().some((line) => line.includes('removed ('))
  const records = folder === undefined || dropped ? [] : recordTexts(queueBytes(queue.spool, folder, result.id))
  return { result, records, log: captured.texts().map((line) => line.replaceAll(result.id, 'ID')) }
}

const ORIGIN = 'from h[192.0.2.7]; from=<alice@example.com> to=<bob@example.net> proto=ESMTP helo=<he>'

test('REJECT refuses with its own status code, or with a usual one', async () => {
  const cases = [
    ['REJECT', 8, '5.7.1 message content rejected'],
    ['reject no spam', 8, '5.7.1 no spam'],
    ['REJECT 5.7.9 no', 8, '5.7.9 no'],
    ['REJECT 4.7.0 later', 256, '4.7.0 later'],
  ] as const
  for (const [action, status, reason] of cases) {
    const { result, log } = await check(action)
    assert.deepEqual([result.status, result.reason, result.queued], [status, reason, false], action)
    assert.ok(log.includes(`ID: reject: header X-Test: it ${ORIGIN}: ${reason}`), log.join('\n'))
  }
})

test('DISCARD reports success and keeps nothing', async () => {
  const { result, records, log } = await check('DISCARD silently')
  assert.deepEqual([result.status, result.queued, records], [0, false, []])
  assert.deepEqual(log.slice(-2), [`ID: discard: header X-Test: it ${ORIGIN}: silently`, 'ID: removed (discarded)'])
})

test('HOLD places the message on hold', async () => {
  const { result, records } = await check('HOLD')
  assert.deepEqual([result.status, result.queued], [0, false])
  assert.ok(records.includes('N X-Test: it'))
})

test('FILTER, REDIRECT and BCC become records of the extracted segment', async () => {
  assert.ok((await check('FILTER smtp:[h]:26')).records.includes('L smtp:[h]:26'))
  assert.ok((await check('REDIRECT a@b')).records.includes('> a@b'))
  const { records } = await check('BCC a@b')
  const at = records.indexOf('X ')
  assert.deepEqual(records.slice(at + 2), ['A notify_flags=1', 'O a@b', 'R a@b', 'E '])
})

/** Headers of the test that are left. */
const headersAfter = async (action: string): Promise<string[]> => (await check(action)).records.filter((text) => text.startsWith('N X-'))

/** Body lines that are left. */
const bodyAfter = async (action: string): Promise<string[]> => {
  const { records } = await check(action, 'body')
  return records.slice(records.indexOf('N ') + 1, records.indexOf('X '))
}

test('PREPEND, REPLACE, STRIP and IGNORE change headers and lines', async () => {
  assert.deepEqual(await headersAfter('PREPEND X-New: y'), ['N X-New: y', 'N X-Test: it'])
  assert.deepEqual(await headersAfter('REPLACE X-New: y'), ['N X-New: y'])
  assert.deepEqual(await headersAfter('STRIP'), [])
  assert.deepEqual(await headersAfter('IGNORE'), [])
  assert.deepEqual(await headersAfter('DUNNO'), ['N X-Test: it'])
  assert.deepEqual(await bodyAfter('PREPEND before'), ['N before', 'N X-Test: it', 'N end'])
  assert.deepEqual(await bodyAfter('REPLACE other'), ['N other', 'N end'])
  assert.deepEqual(await bodyAfter('IGNORE'), ['N end'])
})

test('an action that makes no sense is a warning and changes nothing', async () => {
  const cases = [
    ['WHAT now', 'unknown command in header_checks map: WHAT now'],
    ['FILTER', 'missing FILTER command argument in header_checks map'],
    ['FILTER smtp', 'bad FILTER command smtp in header_checks -- need transport:destination'],
    ['REDIRECT x', 'bad REDIRECT target "x" in header_checks map -- need user@domain'],
    ['BCC x', 'bad BCC address "x" in header_checks map -- need user@domain'],
    ['PREPEND x', 'bad PREPEND header text "x" in header_checks map -- need "headername: headervalue"'],
    ['REPLACE', 'REPLACE action without text in header_checks map'],
  ] as const
  for (const [action, warning] of cases) {
    const { result, records, log } = await check(action)
    assert.equal(result.status, 0)
    assert.ok(records.includes('N X-Test: it'))
    assert.ok(log.includes(`warning: ${warning}`), log.join('\n'))
  }
})
