/** The real smtp client with the servers of test/support/smtp-failures.ts: it says of each what ours says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { judgeAbsent, startJudge, type Judge } from '#test/support/judge.ts'
import { FAILURES, IMPATIENT, type FailureCase } from '#test/support/smtp-failures.ts'
import { answering, startPeer, type PeerServer } from '#test/support/smtp-peer.ts'

const SERVICES = ['qmgr unix n - n 300 1 qmgr', 'smtp unix - - n - - smtp', 'discard unix - - n - - discard', 'retry unix - - n - - error']
const WAIT_MS = 30_000
const POLL_MS = 100

/** The delivery line for `recipient`, as soon as it is there. */
async function deliveryLine(judge: Judge, recipient: string): Promise<string> {
  const end = Date.now() + WAIT_MS
  for (;;) {
    const line = judge.log().find((each) => each.includes(`to=<${recipient}>`) && each.includes(' relay='))
    if (line !== undefined) return line
    assert.ok(Date.now() < end, `no delivery line for ${recipient}:\n${judge.log().join('\n')}`)
    await pause(POLL_MS)
  }
}

test('the real smtp client says of every failing server what ours says', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const cases = [false, true].flatMap((pipelining) => FAILURES
    .filter(({ replies }) => !pipelining || replies.silentAt === undefined)
    .map((each, i) => ({ each, pipelining, domain: `case${i}${pipelining ? 'p' : ''}.example` })))
  await using servers = new AsyncDisposableStack()
  const started: { each: FailureCase; domain: string; server: PeerServer }[] = []
  for (const { each, pipelining, domain } of cases) {
    const server = servers.use(await startPeer(answering({ capabilities: pipelining ? ['PIPELINING'] : [], ...each.replies })))
    started.push({ each, domain, server })
  }
  const transport = started.map(({ domain, server }) => `${domain} smtp:[127.0.0.1]:${server.port}`)
  await using judge = await startJudge(
    { transport_maps: 'texthash:$DIR/transport', myhostname: 'client.example', mydestination: '', smtp_tls_security_level: 'none', ...IMPATIENT },
    { master: SERVICES, files: { transport: [...transport, 'client.example discard:', ''].join('\n') } },
  )
  const recipients = started.map(({ domain }) => `r@${domain}`)
  for (const recipient of recipients) {
    await judge.run('sendmail', ['-f', 'sender@client.example', recipient], { input: 'Subject: test\n\nHello,\n' })
  }
  for (const { each, domain } of started) {
    const line = await deliveryLine(judge, `r@${domain}`)
    const expected = each.end.replaceAll('r@mx.example', `r@${domain}`)
    // The texts of scripted replies name our own recipient; nothing else may differ.
    const end = line.slice(line.indexOf('dsn=')).replaceAll('r@mx.example', `r@${domain}`)
    assert.equal(end, expected, `${each.name} (${domain})`)
    const head = /relay=127\.0\.0\.1\[127\.0\.0\.1\]:\d+, delay=[\d.]+, delays=[\d./]+, tls=(\S+), /.exec(line)
    assert.equal(head?.[1], each.early === true ? 'none?' : 'none', line)
  }
})
