/** What becomes of a message when the server fails at each stage: see src/deliver/smtp/. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openTestClient, type TestMessage } from '#test/support/delivery.ts'
import { FAILURES, IMPATIENT } from '#test/support/smtp-failures.ts'
import { answering, startPeer, type Transcript } from '#test/support/smtp-peer.ts'

const HOST = '127.0.0.1[127.0.0.1]'
const RELAY = `${HOST}:PORT`

for (const pipelining of [false, true]) {
  for (const { name, replies, end, dead, early = false } of FAILURES) {
    // Waiting does not depend on it, and takes a second each.
    if (pipelining && replies.silentAt !== undefined) continue
    test(`deliverRequest() ends a message ${pipelining ? 'with' : 'without'} PIPELINING: ${name}`, async () => {
      const capabilities = pipelining ? ['PIPELINING'] : []
      await using server = await startPeer(answering({ capabilities, ...replies }))
      await using client = openTestClient({ parameters: IMPATIENT })
      const { reply, log, records, done } = await client.deliver(`[127.0.0.1]:${server.port}`)
      assert.deepEqual(log, [`4X1: to=<r@mx.example>, relay=${RELAY}, DELAYS, tls=none${early ? '?' : ''}, ${end}`])
      const bounced = end.includes('status=bounced')
      assert.equal(reply.status, bounced ? 0 : -1)
      assert.equal(reply.hop !== undefined, dead)
      assert.deepEqual(records.map((each) => each.log), [bounced ? 'bounce' : 'defer'])
      assert.deepEqual(done, bounced ? ['r@mx.example'] : [])
    })
  }
}

test('deliverRequest() reports a refused connection with the destination as dead', async () => {
  let port = 0
  {
    await using server = await startPeer(() => undefined)
    port = server.port
  }
  await using client = openTestClient()
  const { reply, log } = await client.deliver(`[127.0.0.1]:${port}`)
  assert.deepEqual(log, [
    'connect to 127.0.0.1[127.0.0.1]:PORT: Connection refused',
    '4X1: to=<r@mx.example>, relay=none, DELAYS, tls=none?, dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:PORT: Connection refused)',
  ])
  assert.equal(reply.hop?.status, '4.4.1')
})

test('deliverRequest() says nothing of TLS in the log without smtp_log_tls_feature_status', async () => {
  let port = 0
  {
    await using server = await startPeer(() => undefined)
    port = server.port
  }
  await using client = openTestClient({ parameters: { smtp_log_tls_feature_status: 'no' } })
  const { log } = await client.deliver(`[127.0.0.1]:${port}`)
  assert.equal(log.at(-1), '4X1: to=<r@mx.example>, relay=none, DELAYS, dsn=4.4.1, status=deferred (connect to 127.0.0.1[127.0.0.1]:PORT: Connection refused)')
})

test('deliverRequest() gives each recipient the end that the server gives it', async () => {
  const transcript: Transcript = { commands: [], messages: [] }
  const answers: Readonly<Record<string, string>> = { 'a@x': '550 5.1.1 no', 'b@x': '250 2.1.5 ok', 'c@x': '450 4.2.0 later', 'd@x': '250 ok' }
  const rcpt = (address: string): string => answers[address] ?? '500 unexpected'
  const message: TestMessage = { recipients: Object.keys(answers) }
  for (const capabilities of [[], ['PIPELINING']]) {
    await using server = await startPeer(answering({ capabilities, rcpt }, transcript))
    await using client = openTestClient()
    const { reply, log, done, records } = await client.deliver(`[127.0.0.1]:${server.port}`, message)
    const line = (to: string, rest: string): string => `4X1: to=<${to}>, relay=${RELAY}, DELAYS, tls=none, ${rest}`
    assert.deepEqual(log.toSorted(), [
      line('a@x', `dsn=5.1.1, status=bounced (host ${HOST} said: 550 5.1.1 no (in reply to RCPT TO command))`),
      line('b@x', 'dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4X9)'),
      line('c@x', `dsn=4.2.0, status=deferred (host ${HOST} said: 450 4.2.0 later (in reply to RCPT TO command))`),
      line('d@x', 'dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4X9)'),
    ])
    assert.equal(reply.status, -1)
    assert.equal(reply.hop, undefined)
    assert.deepEqual(done, ['a@x', 'b@x', 'd@x'])
    assert.deepEqual(records.map(({ log: name, record }) => [name, record.diagText, record.mtaName]),
      [['bounce', '550 5.1.1 no', '127.0.0.1'], ['defer', '450 4.2.0 later', '127.0.0.1']])
  }
})

test('deliverRequest() takes the reply of a server that closes in the middle of the content', async () => {
  await using server = await startPeer(async (peer) => {
    peer.say('220 mx.example ESMTP')
    for (const reply of ['250 mx.example', '250 ok', '250 ok', '354 go']) {
      await peer.line()
      peer.say(reply)
    }
    await peer.line()
    peer.say('552 5.3.4 too big for us')
    peer.close()
  })
  await using client = openTestClient()
  const content = ['Subject: big', '', ...Array.from({ length: 40_000 }, () => 'x'.repeat(900))]
  const { log } = await client.deliver(`[127.0.0.1]:${server.port}`, { content })
  assert.equal(log.length, 1)
  assert.match(log[0] ?? '', /dsn=5\.3\.4, status=bounced \(host \S+ said: 552 5\.3\.4 too big for us \(in reply to end of DATA command\)\)|dsn=4\.4\.2, status=deferred \(lost connection with \S+ while sending message body\)/)
})

test('deliverRequest() sends nothing when the message is above the limit of the server', async () => {
  const transcript: Transcript = { commands: [], messages: [] }
  await using server = await startPeer(answering({ capabilities: ['SIZE 50'] }, transcript))
  await using client = openTestClient()
  const { log } = await client.deliver(`[127.0.0.1]:${server.port}`)
  assert.deepEqual(log, [
    `4X1: to=<r@mx.example>, relay=${RELAY}, DELAYS, tls=none, dsn=5.3.4, status=bounced (message size 69 exceeds size limit 50 of server ${HOST})`,
  ])
  assert.ok(!transcript.commands.some((command) => /^(?:MAIL|DATA)/.test(command)))
})

test('deliverRequest() with soft_bounce keeps what would bounce', async () => {
  await using server = await startPeer(answering({ mail: '550 5.7.1 no' }))
  await using client = openTestClient({ parameters: { soft_bounce: 'yes' } })
  const { reply, log } = await client.deliver(`[127.0.0.1]:${server.port}`)
  assert.match(log[0] ?? '', /dsn=[45]\.7\.1, status=SOFTBOUNCE \(host/)
  assert.equal(reply.status, -1)
})
