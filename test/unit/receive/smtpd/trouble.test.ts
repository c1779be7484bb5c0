/**
 * What postmaster is told of sessions: see Session.endTranscript(). The texts are compared with those of the real
 * Postfix in test/interop/smtpd-notices.test.ts.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Dialogue } from '#receive/smtpd/dialogue.ts'
import { endSession } from '#receive/smtpd/ending.ts'
import { FAULT } from '#service/error-notice.ts'
import { captureLog } from '#test/support/log.ts'
import { testMachine, type TestMachineOptions } from '#test/support/smtp-session.ts'

const ALL = { notify_classes: 'bounce, 2bounce, data, delay, policy, protocol, resource, software' }

/** What is told after a session of these lines. */
async function troublesOf(lines: readonly string[], options: TestMachineOptions = {}): Promise<{ faults: number; lines: readonly string[] }[]> {
  using log = captureLog()
  const { machine, troubles } = testMachine({ ...options, values: { ...ALL, ...options.values } })
  const dialogue = new Dialogue(machine, {
    send: () => undefined, close: () => undefined, startTls: () => undefined, sleep: () => Promise.resolve(),
  })
  await dialogue.greet()
  for (const line of lines) await dialogue.push(Buffer.from(`${line}\r\n`))
  endSession(machine.session, undefined)
  void log
  return troubles.map(({ faults, lines: shown }) => ({ faults, lines: shown }))
}

test('Session tells of rate limits as policy', async () => {
  const rate = { ports: { rate: () => 100 }, values: { smtpd_client_message_rate_limit: '1' } }
  const [trouble] = await troublesOf(['HELO x', 'MAIL FROM:<a@example.net>'], rate)
  assert.equal(trouble?.faults, FAULT.policy)
  assert.equal(trouble?.lines.at(-1), ' Out: 450 4.7.1 Error: too much mail from 192.0.2.7')
})

function noSpace(): never {
  throw Object.assign(new Error('no space'), { code: 'ENOSPC' })
}

test('Session tells of a queue that cannot be written as resource', async () => {
  const dialog = ['HELO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>']
  const [trouble] = await troublesOf(dialog, { ports: { begin: noSpace } })
  assert.equal(trouble?.faults, FAULT.resource)
})

test('Session tells of what a policy refuses, and not of a client that hangs up', async () => {
  assert.deepEqual(await troublesOf(['HELO x', 'NOOP']), [])
  assert.deepEqual(await troublesOf(['HELO x', 'NONSENSE'], { values: { notify_classes: 'resource, software' } }), [])
})

test('Session keeps nothing where postmaster wants to know nothing', () => {
  const { machine } = testMachine({ values: { notify_classes: '' } })
  assert.equal(machine.session.transcript, undefined)
})

test('Session refuses a class of errors that there is not', () => {
  assert.throws(() => testMachine({ values: { notify_classes: 'protocol, nonsense' } }), {
    message: 'unknown notify_classes value "nonsense" in "protocol, nonsense"',
  })
})
