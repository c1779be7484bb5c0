/** One queue, two mail systems: what one leaves, the other delivers, every recipient once. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { judgeAbsent } from '#test/support/judge.ts'
import { createMailFolder, type MailFolder } from '#test/support/mail-folder.ts'
import { startSink, type Sink } from '#test/support/sink.ts'
import { sendMail } from '#test/support/smtp-client.ts'
import { eventually } from '#test/support/system.ts'
import type { Whose } from '#test/support/tools.ts'

const MESSAGES = 40
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'defer', 'bounce', 'trace'] as const
const PATIENCE_MS = 60_000

/** Recipients of message N; the sink wants `later` twice, so that the others are done and marked meanwhile. */
function recipientsOf(number: number): string[] {
  switch (number % 5) {
    case 0: return [`n-${number}@far.example`]
    case 1: return [`later-${number}@far.example`]
    case 2: return [`v-${number}@example.org`, `later-${number}@far.example`, `n-${number}@far.example`]
    case 3: return [`later-a-${number}@far.example`, `later-b-${number}@other.example`, `v-${number}@example.org`]
    default: return [`held-${number}@far.example`]
  }
}

const isHeld = (number: number): boolean => number % 5 === 4

async function fill(folder: MailFolder, whose: Whose): Promise<void> {
  for (let number = 0; number < MESSAGES; number++) {
    const message = `Subject: number ${number}\n${isHeld(number) ? 'X-Hold: yes\n' : ''}\nHello.\n`
    const to = recipientsOf(number)
    if (number % 4 === 0) {
      const { status, stderr } = await folder.run(whose, 'sendmail', ['-f', 'sender@client.example', '--', ...to], message)
      assert.equal(status, 0, stderr)
    } else assert.match(await sendMail(folder.port, 'sender@client.example', to, message), /^250/)
  }
  // Whoever has a recipient for later is in deferred/ then, the held ones in hold/, the others gone.
  const waiting = MESSAGES - MESSAGES / 5
  const count = (...queues: string[]): number => folder.files(...queues).length
  const tried = (): boolean => count('maildrop', 'incoming', 'active') === 0 && count('deferred', 'hold') === waiting
  await eventually(`${whose} to have tried all`, () => tried() ? true : undefined, PATIENCE_MS)
}

/** The other one delivers the rest. */
async function finish(folder: MailFolder, whose: Whose): Promise<void> {
  await folder.start(whose)
  const released = await folder.run(whose, 'postsuper', ['-H', 'ALL'])
  assert.match(released.stderr, new RegExp(`Released from hold: ${MESSAGES / 5} messages`))
  const flushed = await folder.run(whose, 'postqueue', ['-f'])
  assert.equal(flushed.status, 0, flushed.stderr)
  const left = (): string[] => folder.files(...QUEUES)
  const done = eventually(`${whose} to deliver all`, () => left().length === 0 ? true : undefined, PATIENCE_MS)
  await done.catch((error: unknown) => {
    throw new Error(`${String(error)}: ${left().join(' ')}\n${folder.log().slice(-40).join('\n')}`)
  })
}

function found(mail: string, pattern: RegExp): string {
  return pattern.exec(mail)?.[1] ?? 'none'
}

function assertDeliveredOnce(folder: MailFolder, sink: Sink): void {
  const relayed = sink.taken.map(({ number, recipient }) => `${number} ${recipient}`)
  const stored = folder.maildir('box')
    .map((mail) => `${found(mail, /^Subject: number (\d+)$/m)} ${found(mail, /^X-Original-To: (.*)$/m)}`)
  const numbers = Array.from({ length: MESSAGES }, (_, number) => number)
  const expected = numbers.flatMap((number) => recipientsOf(number).map((recipient) => `${number} ${recipient}`))
  assert.deepEqual([...relayed, ...stored].toSorted(), expected.toSorted())
}

async function makeFolder(sink: Sink): Promise<MailFolder> {
  return createMailFolder({
    main: {
      relayhost: `[127.0.0.1]:${sink.port}`, header_checks: 'regexp:@HOME@/etc/header_checks',
      virtual_mailbox_domains: 'example.org',
      virtual_mailbox_maps: 'static:box/', minimal_backoff_time: '1h', maximal_backoff_time: '1h',
      queue_run_delay: '1h',
    },
    files: { header_checks: '/^X-Hold:/ HOLD on request\n' },
  })
}

function skipped(t: TestContext): boolean {
  const absent = judgeAbsent()
  if (absent !== undefined) t.skip(absent)
  return absent !== undefined
}

test('the real Postfix delivers all that `postfix stop` of Posthorn leaves behind', async (t) => {
  if (skipped(t)) return
  await using sink = await startSink()
  await using folder = await makeFolder(sink)
  await folder.start('ours')
  await fill(folder, 'ours')
  await folder.stop('ours')
  const journal = join(folder.queue, 'journal')
  mkdirSync(journal, { recursive: true })
  assert.deepEqual(readdirSync(journal), [], 'the journal is empty after a stop')
  await finish(folder, 'real')
  assertDeliveredOnce(folder, sink)
})

test('Posthorn delivers all that `postfix stop` of the real Postfix leaves behind', async (t) => {
  if (skipped(t)) return
  await using sink = await startSink()
  await using folder = await makeFolder(sink)
  await folder.start('real')
  await fill(folder, 'real')
  await folder.stop('real')
  await finish(folder, 'ours')
  assertDeliveredOnce(folder, sink)
})

for (const [first, second] of [['real', 'ours'], ['ours', 'real']] as const) {
  test(`${second} delivers what ${first} leaves after kill -9, messages in active/ too`, async (t) => {
    if (skipped(t)) return
    await using sink = await startSink()
    await using folder = await makeFolder(sink)
    await folder.start(first)
    await fill(folder, first)
    await folder.kill()
    // As a queue manager leaves what it was at.
    for (const file of folder.files('deferred').slice(0, 5)) {
      const id = file.split('/').at(-1) ?? ''
      renameSync(join(folder.queue, 'deferred', id.slice(0, 1), id), join(folder.queue, 'active', id))
    }
    assert.equal(folder.files('active').length, 5)
    await finish(folder, second)
    assertDeliveredOnce(folder, sink)
  })
}
