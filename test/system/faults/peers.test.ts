/** Whom the mail system asks is dead: name servers, tables, the other server in the middle of a dialog. */
import assert from 'node:assert/strict'
import { createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { startDnsServer } from '#test/support/dns.ts'
import { sendMail, SmtpClient } from '#test/support/smtp-client.ts'
import { answering, startPeer, type Transcript } from '#test/support/smtp-peer.ts'
import { queueFiles, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { eventually, freePort, startSystem, type MailSystem } from '#test/support/system.ts'

const IMPATIENT = {
  minimal_backoff_time: '1s', maximal_backoff_time: '2s', queue_run_delay: '1s', transport_retry_time: '1s', default_recipient_limit: '1000',
}
/** A name server without answer is asked again after five seconds, as resolv.conf(5) has it. */
const SLOW_MS = 60_000
const SHORT = '1s'
const TIMEOUTS = {
  smtp_connect_timeout: SHORT, smtp_helo_timeout: SHORT, smtp_mail_timeout: SHORT, smtp_rcpt_timeout: SHORT, smtp_data_init_timeout: SHORT,
  smtp_data_xfer_timeout: SHORT, smtp_data_done_timeout: SHORT, smtp_quit_timeout: SHORT, smtp_rset_timeout: SHORT,
}

async function emptyQueue(system: MailSystem): Promise<void> {
  await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
}

/** The replies to MAIL and RCPT. */
async function envelopeReplies(port: number, from: string, to: string): Promise<string[]> {
  using client = await SmtpClient.open(port)
  const replies = []
  for (const line of ['EHLO client.example.com', `MAIL FROM:<${from}>`, `RCPT TO:<${to}>`]) replies.push(await client.command(line))
  return replies.slice(1)
}

/** The same answer with the code of a server that cannot say: RFC 1035 §4.1.1. */
function servfail(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.writeUInt8((copy.readUInt8(3) & 0xf0) | 2, 3)
  return copy
}

for (const [how, answers] of [['say SERVFAIL', true], ['say nothing', false]] as const) {
  test(`name servers that ${how}: who depends on them is told to come back, mail waits, and flows when they are well`, async () => {
    const transcript: Transcript = { commands: [], messages: [] }
    await using far = await startPeer(answering({}, transcript))
    let dead = false
    // What was asked before is remembered for a while: the message that waits goes elsewhere.
    const zone = { 'fresh.example': { mx: [[10, 'mail.far.example']] as const }, 'far.example': { mx: [[10, 'mail.far.example']] as const }, 'mail.far.example': { a: ['127.0.0.1'] }, 'client.example': { a: ['192.0.2.1'] } }
    await using dns = await startDnsServer(zone, { mangle: (bytes) => !dead ? bytes : answers ? servfail(bytes) : undefined })
    await using system = await startSystem({
      main: {
        ...IMPATIENT, posthorn_dns_servers: dns.server, smtp_tcp_port: String(far.port), inet_interfaces: '127.0.0.2',
        smtpd_recipient_restrictions: `reject_unknown_sender_domain${answers ? ', reject_rbl_client list.example' : ''}`,
      },
    })
    const port = system.port('smtp')
    await waitRemoved(system, await submit(system, ['bob@far.example'], { from: 'a@client.example', message: subject('before') }))
    dead = true
    // No answer about the list is no verdict; none about the sender is 450, RFC 5321 §4.2.1.
    assert.match((await envelopeReplies(port, 'a@other.example', 'bob@example.org')).at(-1) ?? '', /^45\d 4\.\d\.\d /)
    const waits = await submit(system, ['bob@fresh.example'], { from: 'alice@[127.0.0.1]', message: subject('waits') })
    await system.waitForLog(new RegExp(`${waits}: to=<bob@fresh\\.example>, relay=none, .*dsn=4\\.4\\.3, status=deferred`), SLOW_MS)
    dead = false
    await waitRemoved(system, waits)
    await emptyQueue(system)
    assert.equal(transcript.messages.length, 2)
  })
}

/** A table server that knows nothing; tcp_table(5). */
async function startTable(port: number): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      for (const line of chunk.toString().split('\n')) if (line !== '') socket.write('500 absent\n')
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/**
 * Parameters with a table, and what they are set to; `TABLE` is the one that dies. virtual_mailbox_maps is not among
 * them, as virtual takes no tcp table for it: see sqlite-site.test.ts, and ldap-site.test.ts of the interop tests.
 */
const TABLES: Readonly<Record<string, string>> = {
  smtpd_recipient_restrictions: 'check_client_access TABLE', smtpd_sender_restrictions: 'check_sender_access TABLE', transport_maps: 'TABLE',
  virtual_alias_maps: 'TABLE', recipient_canonical_maps: 'TABLE', sender_bcc_maps: 'TABLE', relocated_maps: 'TABLE',
  sender_dependent_default_transport_maps: 'TABLE', smtpd_sender_login_maps: 'TABLE',
}

for (const [parameter, value] of Object.entries(TABLES)) {
  test(`${parameter} with a dead table: 4xx or a message that waits, nothing lost, and mail flows when it is back`, async () => {
    const port = await freePort()
    const dead = `tcp:127.0.0.1:${port}`
    await using system = await startSystem({
      main: {
        ...IMPATIENT, [parameter]: value.replace('TABLE', dead),
        ...(parameter === 'smtpd_sender_login_maps' ? { smtpd_sender_restrictions: 'reject_known_sender_login_mismatch' } : {}),
      },
    })
    const said = await sendMail(system.port('smtp'), 'alice@client.example', ['bob@example.org'], subject('while dead'))
    const accepted = said.startsWith('250')
    if (!accepted) assert.match(said, /^45[01] 4\.\d\.\d /)
    else assert.ok(queueFiles(system).length > 0 || system.maildir('box').length > 0, 'what was accepted is here')
    assert.deepEqual(system.log().filter((line) => /status=bounced|panic|fatal/.test(line)), [])
    await using table = await startTable(port)
    assert.ok(table)
    // A table that failed is tried again after a second or so.
    await eventually('mail that flows again', async () => {
      const reply = await sendMail(system.port('smtp'), 'alice@client.example', ['bob@example.org'], subject('alive again'))
      return reply.startsWith('250') ? true : undefined
    })
    await emptyQueue(system)
    const arrived = (text: string): number => system.maildir('box').filter((mail) => mail.includes(`Subject: ${text}\n`)).length
    assert.equal(arrived('alive again'), 1)
    assert.equal(arrived('while dead'), accepted ? 1 : 0)
  })
}

const STEPS = ['greeting', 'ehlo', 'mail', 'rcpt', 'data', 'dot', 'quit'] as const

for (const step of STEPS) {
  test(`another server that hangs at ${step}: given up in time, tried again by itself, delivered`, async () => {
    const transcript: Transcript = { commands: [], messages: [] }
    let hangs = true
    await using far = await startPeer((peer) => answering(hangs ? { silentAt: step } : {}, transcript)(peer))
    await using system = await startSystem({ main: { ...IMPATIENT, ...TIMEOUTS, relayhost: `[127.0.0.1]:${far.port}` } })
    const id = await submit(system, ['bob@far.example'], { message: subject('patience') })
    if (step !== 'quit') await system.waitForLog(new RegExp(`${id}: to=<bob@far\\.example>.*status=deferred \\(.*(?:timed out|lost connection)`))
    hangs = false
    await waitRemoved(system, id)
    await emptyQueue(system)
    // After the end of data nobody can know: RFC 5321 §6.1 rather sends it twice than not at all.
    assert.equal(transcript.messages.length, step === 'dot' ? 2 : 1)
  })
}
