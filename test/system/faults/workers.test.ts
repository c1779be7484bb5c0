/** Workers that end by themselves: a bug that throws, memory that runs out, descriptors that run out. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FAULTY_PROGRAMS, switchOn, type Fault, type FaultyProgram } from '#test/support/faults.ts'
import { sendMail, SmtpClient } from '#test/support/smtp-client.ts'
import { startSink } from '#test/support/sink.ts'
import { queueFiles, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { eventually, startSystem, type MailSystem } from '#test/support/system.ts'

const IMPATIENT = {
  minimal_backoff_time: '1s', maximal_backoff_time: '2s', queue_run_delay: '1s', transport_retry_time: '1s', service_throttle_time: '1s',
}
/** Enough for a worker, and soon used up. */
const SMALL_HEAP = '--max-old-space-size=60'
const MESSAGES = 12

async function ready(port: number): Promise<SmtpClient> {
  const client = await SmtpClient.open(port)
  assert.match(await client.command('EHLO client.example.com'), /^250/)
  assert.match(await client.command('MAIL FROM:<alice@example.com>'), /^250/)
  assert.match(await client.command('RCPT TO:<bob@example.org>'), /^250/)
  return client
}

async function finish(client: SmtpClient, text: string): Promise<void> {
  assert.match(await client.command('DATA'), /^354/)
  assert.match(await client.command(`${subject(text).replaceAll('\n', '\r\n')}\r\n.`), /^250 2\.0\.0 Ok/)
}

function boxHas(system: MailSystem, text: string): true | undefined {
  return system.maildir('box').some((mail) => mail.includes(`Subject: ${text}\n`)) ? true : undefined
}

const ENDS: readonly (readonly [string, Fault, RegExp])[] = [
  ['throws', { kind: 'throw' }, /^postfix\/[\w/]+\[\d+\]: panic: Error: a fault made by the test/],
  ['runs out of memory', { kind: 'memory' }, /process .* (?:killed by signal 6|exit status)/],
]

for (const [what, fault, line] of ENDS) {
  const env = fault.kind === 'memory' ? { NODE_OPTIONS: SMALL_HEAP } : {}
  const main = { ...IMPATIENT, import_environment: 'MAIL_CONFIG TZ NODE_OPTIONS' }

  test(`an smtpd worker that ${what} ends its own sessions with 421 at most; others go on, master starts another`, async () => {
    await using system = await startSystem({
      main, env, programs: FAULTY_PROGRAMS, master: ['127.0.0.1:@PORT:other@ inet n - n - - smtpd -o syslog_name=postfix/other'],
    })
    // The fault takes whichever process sees it first.
    using client = await ready(system.port('smtp'))
    using other = await ready(system.port('other'))
    switchOn(system, 'smtpd', fault)
    await system.waitForLog(line)
    const reply = await client.command('NOOP')
    const clientLives = reply.startsWith('250')
    assert.match(clientLives ? await other.command('NOOP') : reply, /^(?:421 .*)?$/)
    await finish(clientLives ? client : other, 'of the other worker')
    await eventually('its mail', () => boxHas(system, 'of the other worker'))
    for (const port of ['smtp', 'other']) await waitRemoved(system, await submit(system, ['bob@example.org'], { port, message: subject(`after, to ${port}`) }))
  })

  for (const program of ['qmgr', 'smtp', 'virtual', 'bounce'] as const satisfies readonly FaultyProgram[]) {
    test(`a ${program} worker that ${what} while mail flows loses nothing, and master starts another`, async () => {
      await using sink = await startSink()
      await using system = await startSystem({ main: { ...main, relayhost: `[127.0.0.1]:${sink.port}` }, env, programs: FAULTY_PROGRAMS })
      const send = async (from: number): Promise<void> => {
        for (let n = from; n < from + MESSAGES; n += 1) {
          const to = [`n-${n}@far.example`, `v-${n}@example.org`, `reject-${n}@far.example`]
          await submit(system, to, { from: 'alice@example.org', message: `Subject: number ${n}\n\nHello.` })
        }
      }
      await send(0)
      switchOn(system, program, fault)
      await Promise.all([system.waitForLog(line), send(MESSAGES)])
      await send(2 * MESSAGES)
      // What an agent still had open when the new queue manager came waits for a minute, or for a flush.
      await eventually('an empty queue', async () => {
        await system.command('postqueue', ['-f'])
        return queueFiles(system).length === 0 ? true : undefined
      })
      for (let n = 0; n < 3 * MESSAGES; n += 1) {
        assert.ok(sink.taken.some(({ number, recipient }) => number === n && recipient.startsWith('n-')), `number ${n} at the sink`)
        assert.ok(boxHas(system, `number ${n}`), `number ${n} in the mailbox`)
      }
      const notices = system.maildir('box').filter((mail) => mail.includes('Content-Type: message/delivery-status')).join('')
      for (let n = 0; n < 3 * MESSAGES; n += 1) assert.ok(notices.includes(`Final-Recipient: rfc822; reject-${n}@far.example`), `notice about ${n}`)
    })
  }
}

test('smtpd without descriptors serves whom it can, loses nothing, and is well as soon as clients leave', async () => {
  await using system = await startSystem({ main: IMPATIENT, before: 'ulimit -n 60', programs: FAULTY_PROGRAMS })
  await waitRemoved(system, await submit(system, ['bob@example.org'], { message: subject('before') }))
  const crowd = Array.from({ length: 90 }, () => SmtpClient.open(system.port('smtp')))
  const first = await Promise.race(crowd)
  assert.match(first.greeting, /^220|^421|^$/)
  // Whoever has a session gets a defined reply at every step, and what is acknowledged arrives.
  let acknowledged = 0
  for (const line of ['EHLO client.example.com', 'MAIL FROM:<a@client.example>', 'RCPT TO:<bob@example.org>', 'DATA', 'Subject: crowded\r\n\r\nHello.\r\n.']) {
    const reply = await first.command(line)
    if (/^[23]/.test(reply)) {
      if (line.endsWith('\r\n.')) acknowledged += 1
      continue
    }
    assert.match(reply, /^4\d\d [0-9.]+ /, line)
    break
  }
  // They leave, those that still waited for their turn as soon as it comes.
  for (const each of crowd) void each.then((client) => client[Symbol.dispose]()).catch(() => undefined)
  await eventually('mail that flows again', async () => {
    const reply = await sendMail(system.port('smtp'), 'alice@example.com', ['bob@example.org'], subject('after'))
    return reply.startsWith('250') ? true : undefined
  })
  await eventually('its mail', () => boxHas(system, 'after'))
  await eventually('an empty queue', () => queueFiles(system).filter((name) => !name.startsWith('incoming/')).length === 0 ? true : undefined)
  assert.equal(system.maildir('box').filter((mail) => mail.includes('Subject: crowded')).length, acknowledged)
})
