/** Mail that waits, sent on by hand: postfix flush, postqueue -f, -i and -s; by MAIL_CONFIG and by -c. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { answering, startPeer, type PeerServer, type Transcript } from '#test/support/smtp-peer.ts'
import { startSystem, type MailSystem } from '#test/support/system.ts'
import { assertQueuesEmpty, submit, subject, waitRemoved } from '#test/support/system-mail.ts'

const transcript: Transcript = { commands: [], messages: [] }
const verdict = { rcpt: '450 4.2.0 come back' }

let peer: PeerServer
let system: MailSystem

before(async () => {
  peer = await startPeer(answering({ rcpt: () => verdict.rcpt }, transcript))
  system = await startSystem({ main: { relayhost: `[127.0.0.1]:${peer.port}`, relay_domains: 'far.example, near.example' } })
})
after(async () => {
  await system[Symbol.asyncDispose]()
  await peer[Symbol.asyncDispose]()
})

/** A message that was refused for now; from then on the other server takes mail. */
async function deferred(to: string): Promise<string> {
  verdict.rcpt = '450 4.2.0 come back'
  const id = await submit(system, [to], { message: subject('waiting') })
  await system.waitForLog(new RegExp(`${id}: to=<${to}>.*status=deferred`))
  return id
}

async function run(name: string, ...args: readonly string[]): Promise<void> {
  verdict.rcpt = '250 2.1.5 Ok'
  const { status, stderr } = await system.command(name, args)
  assert.equal(status, 0, stderr)
}

for (const [name, ...args] of [['postfix', 'flush'], ['postqueue', '-f'], ['postqueue', '-s', 'far.example']] as const) {
  test(`${name} ${args.join(' ')} sends what waits before its time`, async () => {
    const id = await deferred('carol@far.example')
    await run(name, ...args)
    await waitRemoved(system, id)
    assertQueuesEmpty(system)
  })
}

test('postqueue -i and -s leave other mail alone', async () => {
  const other = await deferred('dora@near.example')
  const id = await deferred('carol@far.example')
  await run('postqueue', '-i', id)
  await waitRemoved(system, id)
  const again = await deferred('carol@far.example')
  await run('postqueue', '-s', 'far.example')
  await waitRemoved(system, again)
  assert.deepEqual(system.queue('deferred'), [other])
  await run('postfix', '-c', system.etc, 'flush')
  await waitRemoved(system, other)
  assertQueuesEmpty(system)
})

test('postqueue -i and -s refuse what is no queue id and no site of fast_flush_domains', async () => {
  assert.equal((await system.command('postqueue', ['-i', 'no/id'])).status, 69)
  const site = await system.command('postqueue', ['-s', 'other.example'])
  assert.notEqual(site.status, 0)
  assert.match(site.stderr, /fatal: .*other\.example/)
})
