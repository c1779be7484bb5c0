/**
 * Notices to postmaster about mail servers (notify_classes = protocol): after each of these servers the real smtp
 * client must have sent the same mail as ours, or none where ours sends none.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { openTestClient } from '#test/support/delivery.ts'
import { comparableRecords, judgeAbsent, startJudge, type Judge } from '#test/support/judge.ts'
import { FAILURES, IMPATIENT } from '#test/support/smtp-failures.ts'
import { answering, startPeer, type PeerServer, type Replies } from '#test/support/smtp-peer.ts'
import { eventually } from '#test/support/system.ts'

const VALUES = {
  myhostname: 'client.example', myorigin: 'client.example', mydestination: '', smtp_tls_security_level: 'none',
  notify_classes: 'protocol', error_notice_recipient: 'errors@notices.example', mail_name: 'Postfix', ...IMPATIENT,
}
const LOGIN = {
  smtp_sasl_auth_enable: 'yes', smtp_sasl_password_maps: 'inline:{127.0.0.1=bob:secret}',
  smtp_sasl_security_options: 'noanonymous', smtp_sasl_mechanism_filter: 'plain, login',
}
const SENDER = 'sender@client.example'

/** A server, and how it is talked to. */
type Case = {
  readonly name: string
  readonly replies: Replies
  readonly sender?: string
  readonly lmtp?: boolean
  /** -o of the service. */
  readonly values?: Readonly<Record<string, string>>
  /** Local parts. */
  readonly recipients?: readonly string[]
}

const MORE: readonly Case[] = [
  { name: 'MAIL 555', replies: { mail: '555 5.5.4 unknown option' } },
  { name: 'RCPT 503', replies: { rcpt: '503 5.5.1 first something else' } },
  { name: 'DATA 502', replies: { data: '502 5.5.1 never' } },
  { name: 'final dot 500', replies: { dot: '500 5.5.1 what' } },
  { name: 'HELO 501', replies: { ehlo: '502 5.5.1 no', helo: '501 5.5.4 no' } },
  { name: 'greeting 500', replies: { greeting: '500 5.5.1 no' } },
  { name: 'greeting 300', replies: { greeting: '300 what' } },
  { name: 'some recipients', replies: { rcpt: (who) => (who.startsWith('bad') ? '501 5.1.3 bad' : '250 ok') }, recipients: ['bad1', 'bad2', 'good'] },
  { name: 'RSET 500', replies: { mail: '550 5.1.0 no', rset: '500 5.5.1 what' } },
  { name: 'noise in a reply', replies: { mail: 'hello\r\n25\r\n250 2.1.0 Ok' } },
  { name: 'long lines', replies: { mail: `503 5.5.1 ${'long '.repeat(40)}${'x'.repeat(100)}\tand \u0001 strange` } },
  { name: 'several lines', replies: { data: `${'554-5.5.0 line\r\n'.repeat(3)}500 5.5.0 end` } },
  { name: 'a reply without end', replies: { data: `${`503-5.5.1 ${'x'.repeat(60)}\r\n`.repeat(60)}503 5.5.1 end` } },
  { name: 'null sender', replies: { mail: '503 5.5.1 no' }, sender: '' },
  { name: 'QUIT waited for', replies: { rcpt: '503 5.5.1 no' }, values: { smtp_skip_quit_response: 'no' } },
  { name: 'dot refused and QUIT waited for', replies: { dot: '503 5.5.1 no' }, values: { smtp_skip_quit_response: 'no' } },
  { name: 'login', replies: { capabilities: ['AUTH PLAIN'], auth: '235 2.7.0 Ok', rcpt: '503 5.5.1 no' }, values: LOGIN },
  { name: 'login 504', replies: { capabilities: ['AUTH PLAIN'], auth: '504 5.5.4 unknown' }, values: LOGIN },
  { name: 'login 535', replies: { capabilities: ['AUTH PLAIN'], auth: '535 5.7.8 no' }, values: LOGIN },
  { name: 'TLS refused', replies: { capabilities: ['STARTTLS'] }, values: { smtp_tls_security_level: 'encrypt' } },
  { name: 'LMTP', replies: { rcpt: '503 5.5.1 no' }, lmtp: true },
]

const CASES: readonly Case[] = [...FAILURES.filter(({ replies }) => replies.silentAt === undefined), ...MORE]
  .flatMap((each) => [each, { ...each, name: `${each.name}, pipelining`, replies: piped(each.replies) }])

function piped(replies: Replies): Replies {
  return { ...replies, capabilities: [...replies.capabilities ?? [], 'PIPELINING'] }
}

function withoutPorts(records: readonly string[]): string[] {
  return records.map((record) => record.replaceAll(/(127\.0\.0\.1\]:)\d{4,5}/g, '$1PORT').replace(/^C fits.*/, 'C fits')
    // Postfix shows passwords, ours does not.
    .replace(/^(N {2}Out: AUTH \S+ ).*/, '$1[hidden]'))
}

/** What ours sends to postmaster. */
async function ours({ replies, sender = SENDER, lmtp = false, values = {}, recipients = ['r'] }: Case, domain: string): Promise<string[][]> {
  await using server = await startPeer(answering(replies))
  await using client = openTestClient({ lmtp, parameters: { ...VALUES, ...values } })
  const addresses = recipients.map((local) => `${local}@${domain}`)
  await client.deliver(lmtp ? `inet:127.0.0.1:${server.port}` : `[127.0.0.1]:${server.port}`, { recipients: addresses, request: { sender } })
  return (await client.notices()).map(withoutPorts)
}

/** Notices of the real one about the server at this port. */
function theirs(judge: Judge, port: number): string[][] {
  return readdirSync(join(judge.queue, 'hold')).map((id) => comparableRecords(readFileSync(join(judge.queue, 'hold', id)), id))
    .filter((records) => records.some((record) => record.startsWith('N Subject:') && record.endsWith(`:${port}`))).map(withoutPorts)
}

test('smtp notices to postmaster are those of the real Postfix', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using servers = new AsyncDisposableStack()
  const started: { each: Case; domain: string; server: PeerServer }[] = []
  for (const [i, each] of CASES.entries()) {
    started.push({ each, domain: `case${i}.example`, server: servers.use(await startPeer(answering(each.replies))) })
  }
  const services = started.map(({ each: { lmtp = false, values = {} } }, i) => {
    const options = Object.entries(values).map(([name, value]) => `-o { ${name} = ${value} }`)
    return `client${i} unix - - n - - ${lmtp ? 'lmtp' : 'smtp'} ${options.join(' ')}`
  })
  const transport = started.map(({ each, domain, server }, i) =>
    `${domain} client${i}:${each.lmtp === true ? `inet:127.0.0.1:${server.port}` : `[127.0.0.1]:${server.port}`}`)
  await using judge = await startJudge(
    {
      ...VALUES, transport_maps: 'texthash:$DIR/transport', internal_mail_filter_classes: 'notify',
      header_checks: 'regexp:{{/^Subject: Postfix .* client: errors/ HOLD}}',
    },
    {
      master: ['qmgr unix n - n 300 1 qmgr', 'discard unix - - n - - discard', 'retry unix - - n - - error', ...services],
      files: { transport: [...transport, 'client.example discard:', 'notices.example discard:', ''].join('\n') },
    },
  )
  for (const { each: { sender = SENDER, recipients = ['r'] }, domain } of started) {
    await judge.run('sendmail', ['-f', sender, ...recipients.map((local) => `${local}@${domain}`)], { input: 'Subject: test\n\nHello,\n' })
  }
  for (const { each, domain, server } of started) {
    await t.test(each.name, async () => {
      const expected = await ours(each, domain)
      const count = (each.recipients ?? ['r']).length
      await eventually('all delivery lines', () => {
        const lines = judge.log().filter((line) => line.includes(`@${domain}>`) && line.includes(' relay='))
        return lines.length >= count ? true : undefined
      })
      const actual = await eventually('the notice', () => {
        const found = theirs(judge, server.port)
        return found.length >= expected.length ? found : undefined
      })
      assert.deepEqual(expected, actual)
    })
  }
  return undefined
})
