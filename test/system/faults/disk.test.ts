/** The disk fails: EIO and failed syncs, for receivers, the queue manager, delivery agents and the bounce service. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FAULTY_PROGRAMS, switchOff, switchOn, type FaultyProgram } from '#test/support/faults.ts'
import { sendMail, SmtpClient } from '#test/support/smtp-client.ts'
import { startSink } from '#test/support/sink.ts'
import { queueFiles, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { eventually, startSystem, type MailSystem } from '#test/support/system.ts'
import type { FileSystem } from '#system/files.ts'

const TO = ['bob@example.org']
const IMPATIENT = { minimal_backoff_time: '1s', maximal_backoff_time: '2s', queue_run_delay: '1s', transport_retry_time: '1s' }

function start(main: Readonly<Record<string, string>>): Promise<MailSystem> {
  return startSystem({ main: { ...IMPATIENT, ...main }, programs: FAULTY_PROGRAMS })
}

for (const [queueCommit, call] of [['journal', 'fdatasync'], ['fsync', 'fsync']] as const) {
  test(`a sync that fails in smtpd is 451 to the client, and the next message is safe again (queue_commit = ${queueCommit})`, async () => {
    await using system = await start({ queue_commit: queueCommit })
    await waitRemoved(system, await submit(system, TO, { message: subject('before') }))
    switchOn(system, 'smtpd', { kind: 'files', call, code: 'EIO' })
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.match(await sendMail(system.port('smtp'), 'a@client.example', TO, subject('not safe')), /^451 4\.3\.0 /)
    }
    await system.waitForLog(/^postfix\/\w+\[\d+\]: (?:warning|error): .*(?:EIO|[Ii]nput\/output error|i\/o error|write error)/)
    switchOff(system, 'smtpd')
    await waitRemoved(system, await submit(system, TO, { message: subject('after') }))
    await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
    const arrived = system.maildir('box').filter((mail) => /^Subject: (?:before|after|not safe)$/m.test(mail))
    assert.equal(arrived.length, 2, 'what was refused has not arrived')
  })
}

/** Calls of a program on its way with a message, and what happens to the message meanwhile. */
const LATER: readonly (readonly [FaultyProgram, keyof FileSystem])[] = [
  ['qmgr', 'rename'], ['qmgr', 'open'], ['qmgr', 'utimes'], ['qmgr', 'unlinkAsync'], ['smtp', 'open'], ['smtp', 'read'], ['smtp', 'write'],
]

for (const [program, call] of LATER) {
  test(`EIO of ${call} in ${program} keeps the message, and it arrives once the disk is well`, async () => {
    await using sink = await startSink()
    await using system = await start({ relayhost: `[127.0.0.1]:${sink.port}` })
    await waitRemoved(system, await submit(system, ['before@far.example'], { message: 'Subject: number 1\n\nbefore' }))
    switchOn(system, program, { kind: 'files', call, code: 'EIO' })
    const before = system.log().length
    // Only what is deferred gets a time stamp, and only large files are deleted; small ones are used again.
    const to = call === 'utimes' ? 'later@far.example' : 'bob@far.example'
    const body = call === 'unlinkAsync' ? `${'x'.repeat(70)}\n`.repeat(1500) : 'kept'
    const id = await submit(system, [to], { message: `Subject: number 2\n\n${body}` })
    await eventually('an attempt on the sick disk', () => system.log().slice(before).some((line) => line.includes(id) && /warning|error|deferred/.test(line)) ? true : undefined)
    switchOff(system, program)
    await system.command('postqueue', ['-f'])
    const arrived = (): number => sink.taken.filter(({ number }) => number === 2).length
    await eventually('the message', () => arrived() > 0 ? true : undefined)
    await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
    // What could not be marked as delivered is delivered again, as in Postfix; nothing else is.
    assert.ok(arrived() === 1 || call === 'write', `${arrived()} copies`)
  })
}

test('EIO of the bounce log keeps the message until its sender can be told', async () => {
  await using sink = await startSink()
  await using system = await start({ relayhost: `[127.0.0.1]:${sink.port}` })
  switchOn(system, 'bounce', { kind: 'files', call: 'open', code: 'EIO' })
  const id = await submit(system, ['reject-1@far.example'], { from: 'alice@example.org', message: 'Subject: number 1\n\nrefused' })
  await system.waitForLog(new RegExp(`${id}: .*status=deferred`))
  switchOff(system, 'bounce')
  await system.command('postqueue', ['-f'])
  await system.waitForLog(new RegExp(`${id}: sender non-delivery notification: `))
  await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
  assert.equal(system.maildir('box').length, 1)
})

test('EIO while smtpd makes a queue file is 4xx, and leaves nothing behind', async () => {
  await using system = await start({})
  await waitRemoved(system, await submit(system, TO, { message: subject('before') }))
  switchOn(system, 'smtpd', { kind: 'files', call: 'open', code: 'EIO' })
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  const replies = []
  for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<bob@example.org>', 'DATA']) replies.push(await client.command(line))
  assert.match(replies.find((reply) => !reply.startsWith('2')) ?? '', /^4\d\d 4\.3\.\d /)
  switchOff(system, 'smtpd')
  await waitRemoved(system, await submit(system, TO, { message: subject('after') }))
  assert.deepEqual(readdirSync(join(system.spool, 'incoming')), [])
})
