/**
 * The time of day jumps by a day, forward and back, in receivers, the queue manager and delivery agents. Waits are
 * measured by a clock that nobody sets; what was stamped with a wrong time the auditor of the queue brings back.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTY_PROGRAMS, switchOff, switchOn, type FaultyProgram } from '#test/support/faults.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { startSink } from '#test/support/sink.ts'
import { queueFiles, queueIdOf, submit, waitRemoved } from '#test/support/system-mail.ts'
import { eventually, startSystem, type MailSystem } from '#test/support/system.ts'

const DAY_MS = 86_400_000
const PROGRAMS: readonly FaultyProgram[] = ['smtpd', 'qmgr', 'smtp', 'virtual', 'bounce']
const IMPATIENT = { minimal_backoff_time: '1s', maximal_backoff_time: '60s', queue_run_delay: '1s', transport_retry_time: '1s' }

function jump(system: MailSystem, offsetMs: number): void {
  for (const program of PROGRAMS) switchOn(system, program, { kind: 'clock', offsetMs })
}

for (const [where, offsetMs] of [['forward', DAY_MS], ['back', -DAY_MS]] as const) {
  test(`a clock that jumps a day ${where}, and later returns, loses nothing and stops nothing`, async () => {
    await using sink = await startSink()
    await using system = await startSystem({ main: { ...IMPATIENT, relayhost: `[127.0.0.1]:${sink.port}` }, programs: FAULTY_PROGRAMS })
    await waitRemoved(system, await submit(system, ['n-1@far.example'], { message: 'Subject: number 1\n\nbefore' }))
    // A session, and a message that waits, see the jump happen.
    using client = await SmtpClient.open(system.port('smtp'))
    assert.match(await client.command('EHLO client.example.com'), /^250/)
    const waits = await submit(system, ['later-2@far.example'], { message: 'Subject: number 2\n\nwaits' })
    await system.waitForLog(new RegExp(`${waits}: to=<later-2@far\\.example>.*status=deferred`))
    jump(system, offsetMs)
    for (const line of ['MAIL FROM:<alice@example.org>', 'RCPT TO:<n-3@far.example>', 'RCPT TO:<later-3@far.example>']) assert.match(await client.command(line), /^250/)
    assert.match(await client.command('DATA'), /^354/)
    const across = queueIdOf(await client.command('Subject: number 3\r\n\r\nacross\r\n.'))
    await waitRemoved(system, waits)
    await system.waitForLog(new RegExp(`${across}: to=<later-3@far\\.example>.*status=deferred`))
    for (const program of PROGRAMS) switchOff(system, program)
    await waitRemoved(system, across)
    await waitRemoved(system, await submit(system, ['reject-4@far.example'], { from: 'alice@example.org', message: 'Subject: number 4\n\nrefused' }))
    await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
    assert.deepEqual(sink.taken.map(({ number, recipient }) => `${number} ${recipient}`).toSorted(),
      ['1 n-1@far.example', '2 later-2@far.example', '3 later-3@far.example', '3 n-3@far.example'])
    assert.deepEqual(system.log().filter((line) => /expired|panic|fatal/.test(line)), [])
  })
}
