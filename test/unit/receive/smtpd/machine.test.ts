/**
 * The session machine, without sockets: see src/receive/smtpd/machine.ts. Replies are shown by the dialogs of
 * test/service.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AccessResult } from '#access/types.ts'
import { Dialogue, type DialogueOutput } from '#receive/smtpd/dialogue.ts'
import { captureLog } from '#test/support/log.ts'
import { testMachine, type TestMachine, type TestMachineOptions } from '#test/support/smtp-session.ts'

type Talk = TestMachine & { readonly dialogue: Dialogue; readonly sent: string[]; readonly sleeps: number[]; readonly say: (text: string) => Promise<string> }

/** A dialogue whose output is kept; each element of `sent` is one write. */
async function talk(options: TestMachineOptions = {}): Promise<Talk> {
  const made = testMachine(options)
  const sent: string[] = []
  const sleeps: number[] = []
  const output: DialogueOutput = {
    send: (text) => void sent.push(text),
    close: () => undefined,
    startTls: () => undefined,
    sleep: (seconds) => {
      sleeps.push(seconds)
      return Promise.resolve()
    },
  }
  const dialogue = new Dialogue(made.machine, output)
  await dialogue.greet()
  const say = async (text: string): Promise<string> => {
    sent.length = 0
    await dialogue.push(Buffer.from(text, 'latin1'))
    return sent.join('')
  }
  return { ...made, dialogue, sent, sleeps, say }
}

const ENVELOPE = 'MAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\n'

test('Dialogue answers a group of commands with one write', async () => {
  using _ = captureLog()
  const { say, sent } = await talk()
  await say('EHLO x\r\n')
  assert.equal(
    await say(`${ENVELOPE}DATA\r\n`), '250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n',
  )
  assert.equal(sent.length, 1)
})

test('Dialogue needs no promise where every answer is at hand', () => {
  using _ = captureLog()
  const { machine } = testMachine()
  const sent: string[] = []
  const dialogue = new Dialogue(machine, {
    send: (text) => void sent.push(text),
    close: () => undefined,
    startTls: () => undefined,
    sleep: () => Promise.resolve(),
  })
  assert.equal(dialogue.greet(), undefined)
  assert.equal(dialogue.push(Buffer.from(`EHLO x\r\n`)), undefined)
  assert.equal(dialogue.push(Buffer.from(`${ENVELOPE}DATA\r\nSubject: x\r\n`)), undefined)
})

test('Dialogue sends 250 for a message only when it is durable', async () => {
  using _ = captureLog()
  const durable = Promise.withResolvers<{ status: number; reason: string }>()
  const { dialogue, sent, accepted } = await talk({ result: () => durable.promise })
  await dialogue.push(Buffer.from('EHLO x\r\n'))
  await dialogue.push(Buffer.from(`${ENVELOPE}DATA\r\n`))
  sent.length = 0
  const pushed = dialogue.push(Buffer.from('x\r\n.\r\nQUIT\r\n'))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(sent, [])
  assert.deepEqual(accepted, [])
  durable.resolve({ status: 0, reason: '' })
  await pushed
  assert.deepEqual(sent, ['250 2.0.0 Ok: queued as 4A3B2C1D\r\n221 2.0.0 Bye\r\n'])
  assert.deepEqual(accepted, ['4A3B2C1D'])
})

test('Machine turns the results of cleanup into replies', async () => {
  using _ = captureLog()
  const cases: readonly (readonly [number, string, string])[] = [
    [2, '', '451 4.3.0 Error: queue file write error'],
    [4, '', '552 5.3.4 Error: message file too big'],
    [8, '', '550 5.7.1 Error: message content rejected'],
    [8, '5.7.9 no such', '550 5.7.9 no such'],
    [8, 'no such', '550 5.7.1 no such'],
    [8 | 256, '4.7.1 later', '451 4.7.1 later'],
    [16, '', '554 5.4.0 Error: too many hops'],
    [1, '', '451 4.3.0 Error: internal error 1'],
    [64, '', '451 4.3.0 Error: internal error 64'],
    [8, '554 5.7.1 from a filter', '554 5.7.1 from a filter'],
  ]
  for (const [status, reason, reply] of cases) {
    const { say, accepted } = await talk({ result: () => Promise.resolve({ status, reason }) })
    await say(`EHLO x\r\n`)
    await say(`${ENVELOPE}DATA\r\n`)
    assert.equal(await say('x\r\n.\r\n'), `${reply}\r\n`)
    assert.deepEqual(accepted, [])
    assert.equal(await say('DATA\r\n'), '503 5.5.1 Error: need RCPT command\r\n')
  }
})

/** A port that throws an error of the system. */
function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code })
  }
}

test('Machine answers 4xx when the queue file cannot be made, or its end fails', async () => {
  using log = captureLog()
  const full = await talk({ ports: { begin: failing('ENOSPC') } })
  await full.say('EHLO x\r\n')
  assert.equal(await full.say(ENVELOPE), '250 2.1.0 Ok\r\n452 4.3.1 Insufficient system storage\r\n')
  const denied = await talk({ ports: { begin: failing('EACCES') } })
  await denied.say('EHLO x\r\n')
  assert.equal(await denied.say(ENVELOPE), '250 2.1.0 Ok\r\n451 4.3.0 Error: queue file write error\r\n')
  const broken = await talk({ result: () => Promise.reject(Object.assign(new Error('I/O error'), { code: 'EIO' })) })
  await broken.say('EHLO x\r\n')
  await broken.say(`${ENVELOPE}DATA\r\n`)
  assert.equal(await broken.say('x\r\n.\r\n'), '451 4.3.0 Error: queue file write error\r\n')
  assert.equal(log.texts().filter((text) => text.startsWith('warning: ')).length, 3)
})

test('Machine refuses mail when there is no room for it', async () => {
  using log = captureLog()
  const { say } = await talk({ values: { message_size_limit: '1000' }, ports: { freeBytes: () => 1500 } })
  await say('EHLO x\r\n')
  assert.equal(await say('MAIL FROM:<a@example.net>\r\n'), '452 4.3.1 Insufficient system storage\r\n')
  assert.deepEqual(log.texts(), [
    'NOQUEUE: reject: MAIL from unknown[192.0.2.7]: 452 4.3.1 Insufficient system storage; from=<a@example.net> proto=ESMTP helo=<x>',
    'warning: not enough free space in mail queue: 1500 bytes < 1.5*message size limit',
  ])
  const values = { queue_minfree: '2000', message_size_limit: '0' }
  const scarce = await talk({ values, ports: { freeBytes: () => 2000 } })
  assert.match(await scarce.say('MAIL FROM:<a@example.net>\r\n'), /^452 /)
})

test('Machine makes a client with many errors wait for each reply, and sets that back after a message', async () => {
  using _ = captureLog()
  const { say, sleeps } = await talk({ values: { smtpd_soft_error_limit: '2', smtpd_error_sleep_time: '3s' } })
  await say('EHLO x\r\n')
  await say('FOO\r\n')
  await say('FOO\r\n')
  assert.deepEqual(sleeps, [])
  await say('NOOP\r\n')
  assert.deepEqual(sleeps, [3])
  await say(ENVELOPE)
  await say('DATA\r\n')
  await say('x\r\n.\r\n')
  assert.equal(sleeps.length, 5)
  await say('NOOP\r\n')
  assert.equal(sleeps.length, 5)
})

test('Machine gives a message up when its transaction ends early', async () => {
  using _ = captureLog()
  for (const end of ['RSET\r\n', 'EHLO y\r\n', 'HELO y\r\n']) {
    const { say, messages } = await talk()
    await say('EHLO x\r\n')
    await say(ENVELOPE)
    await say(end)
    assert.deepEqual(messages.map(({ state }) => state), ['canceled'], end)
  }
})

test('Machine passes on what restrictions have decided about a message', async () => {
  using log = captureLog()
  const result: AccessResult = {
    kind: 'ok',
    effects: [
      { kind: 'hold' }, { kind: 'filter', destination: 'smtp:x' }, { kind: 'redirect', address: 'r@example.org' },
      { kind: 'bcc', address: 'c@example.org' }, { kind: 'prepend', header: 'X-Note: yes' }, {
        kind: 'log', level: 'warning', text: 'look',
      },
    ],
  }
  const ok: AccessResult = { kind: 'ok', effects: [] }
  const access = {
    check: (stage: string) => (stage === 'recipient' ? result : ok),
    rewriteContext: () => ({ kind: 'ok', context: 'local' }) as const,
    isPossibleAddress: () => true,
  }
  const { say, messages } = await talk({ ports: { access } })
  await say('EHLO x\r\n')
  await say(`${ENVELOPE}DATA\r\n`)
  await say('Subject: x\r\n\r\nx\r\n.\r\n')
  const records = messages[0]?.records ?? []
  assert.deepEqual(
    records.slice(records.indexOf('X') + 1),
    ['L smtp:x', '> r@example.org', 'A notify_flags=1', 'R c@example.org', 'f 4'],
  )
  assert.ok(records.indexOf('N X-Note: yes') < records.findIndex((record) => record.startsWith('N Received: ')))
  assert.ok(log.texts().includes('warning: look'))
})

test('Machine asks cleanup for what the parameters leave on', async () => {
  using _ = captureLog()
  const all = await talk()
  await all.say('EHLO x\r\n')
  await all.say('MAIL FROM:<a@example.net> SMTPUTF8\r\nRCPT TO:<b@example.org>\r\n')
  const { filter, map, bcc, smtputf8 } = all.messages[0]?.flags ?? {}
  assert.deepEqual({ filter, map, bcc, smtputf8 }, { filter: true, map: true, bcc: true, smtputf8: true })
  const less = await talk({ values: { receive_override_options: 'no_header_body_checks, no_address_mappings' } })
  await less.say('EHLO x\r\n')
  await less.say(ENVELOPE)
  assert.deepEqual([less.messages[0]?.flags.filter, less.messages[0]?.flags.map], [false, false])
})

test('Dialogue takes lines and content in any pieces', async () => {
  using _ = captureLog()
  const { dialogue, sent, messages } = await talk()
  const input = `EHLO x\r\n${ENVELOPE}DATA\r\nSubject: x\r\n\r\n..\r\n.\r\n${ENVELOPE}BDAT 7\r\nab\r\ncd\nBDAT 2 LAST\r\nefQUIT\r\n`
  for (const byte of Buffer.from(input)) await dialogue.push(Buffer.from([byte]))
  assert.equal(sent.at(-1), '221 2.0.0 Bye\r\n')
  assert.deepEqual(messages.map(
    ({ records }) => records.filter((record) => /^[NX]/.test(record) && !/Received|^N \t/.test(record)),
  ),
    [['N Subject: x', 'N ', 'N .', 'X'], ['N ab', 'N cd', 'N ef', 'X']])
})
