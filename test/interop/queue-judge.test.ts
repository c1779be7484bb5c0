/**
 * Two hundred varied messages, given to Posthorn and to the real Postfix with the same configuration; then the real
 * commands read both queues, and must see the same.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { comparableRecords, judgeAbsent } from '#test/support/judge.ts'
import { createMailFolder, type MailFolder } from '#test/support/mail-folder.ts'
import { submissions, type Submission } from '#test/support/messages.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { eventually } from '#test/support/system.ts'
import type { Whose } from '#test/support/tools.ts'

const COUNT = 200
const SEED = 20_261_120
const PATIENCE_MS = 120_000
const BOTH = ['real', 'ours'] as const

const MAIN = {
  // Nothing leaves: every message is deferred, with a reason on record, or on hold.
  defer_transports: 'smtp, relay, local, virtual, error, discard', queue_run_delay: '1h', minimal_backoff_time: '1h',
  maximal_backoff_time: '1h',
  virtual_alias_maps: 'inline:{ {alias@example.org=bob@example.org} '
    + '{group@example.org=bob@example.org, carol@example.org, dave@other.example} }',
  canonical_maps: 'inline:{ {canon@example.org=canonical.name@example.org} }', recipient_delimiter: '+',
  always_bcc: 'archive@relay.example',
  virtual_mailbox_domains: 'example.org', virtual_mailbox_maps: 'static:box/', local_recipient_maps: '',
  header_checks: 'regexp:@HOME@/etc/header_checks',
  smtpd_recipient_limit: '1000', delay_warning_time: '4h', message_size_limit: '10240000',
  smtpd_forbid_unauth_pipelining: 'no',
  // One report for all recipients of a message: several would be written at the same time, in any order.
  retry_destination_recipient_limit: '1000', bounce_queue_lifetime: '5d', maximal_queue_lifetime: '5d',
}

/** Gives a message in; `undefined` when it was taken, else what was said. */
async function submit(folder: MailFolder, whose: Whose, message: Submission): Promise<string | undefined> {
  if (message.door === 'sendmail') {
    const { status, stderr } = await folder.run(whose, 'sendmail', message.args, Buffer.from(message.content, 'latin1'))
    return status === 0 ? undefined : stderr.replaceAll(folder.home, 'HOME')
  }
  using client = await SmtpClient.open(folder.port)
  await client.command('EHLO client.example.com')
  for (const line of [`MAIL ${message.mail}`, ...message.recipients.map((recipient) => `RCPT TO:${recipient}`), 'DATA']) {
    const reply = await client.command(line)
    if (/^[45]/.test(reply) && line.startsWith('RCPT')) continue
    if (!/^[23]/.test(reply)) return reply
  }
  const reply = await client.command(`${message.content.replaceAll(/^\./gm, '..')}.`)
  await client.command('QUIT')
  return reply.startsWith('250') ? undefined : reply
}

type Filled = { readonly refusals: string[]; readonly ids: Map<number, string> }

/** Starts one of them, gives it all messages, waits until each has its place. */
async function fill(folder: MailFolder, whose: Whose, messages: readonly Submission[]): Promise<Filled> {
  await folder.start(whose)
  const refusals: string[] = []
  for (const message of messages) {
    const refusal = await submit(folder, whose, message)
    if (refusal !== undefined) refusals.push(`${message.number}: ${refusal}`)
  }
  const taken = messages.length - refusals.length
  const moving = (): string[] => folder.files('maildrop', 'incoming', 'active')
  const placed = (): number => folder.files('deferred', 'hold').length
  const done = (): true | undefined => moving().length === 0 && placed() === taken ? true : undefined
  await eventually('all messages in their places', done, PATIENCE_MS).catch((error: unknown) => {
    throw new Error(`${whose}: ${String(error)}: ${moving().join(' ')}, ${placed()} of ${taken}`)
  })
  return { refusals, ids: idsOf(await queueList(folder)) }
}

type Listed = { queue_id: string; arrival_time: number; message_size: number; recipients: { address: string }[] }

/** What the real `postqueue -j` says. */
async function queueList(folder: MailFolder): Promise<Listed[]> {
  const { stdout } = await folder.run('real', 'postqueue', ['-j'])
  return stdout.split('\n').filter((line) => line !== '').map((line): Listed => JSON.parse(line))
}

function idsOf(list: readonly Listed[]): Map<number, string> {
  return new Map(list.flatMap(({ queue_id, recipients }) => {
    const [first] = recipients.flatMap(({ address }) => /^n(\d{3})@relay\.example$/.exec(address)?.[1] ?? [])
    return first === undefined ? [] : [[Number(first), queue_id] as const]
  }))
}

/** What may differ: ids, times, ports, the folder, sizes that follow from the length of the id. */
function plain(text: string, folder: MailFolder, id: string): string {
  return text
    .replaceAll(id, 'ID').replaceAll(folder.home, 'HOME').replaceAll(String(folder.port), 'PORT')
    .replaceAll(/\b(deferred|defer)\/[0-9A-F]\//g, '$1/H/')
    .replaceAll(/\d{14}\.ID/g, 'TIME.ID').replaceAll(/\b(\w*client_port)=\d+/g, '$1=PORT')
    .replaceAll(/create_time=\d+/g, 'create_time=TIME').replaceAll(/create_time: .*/g, 'create_time: TIME')
    .replaceAll(/(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat), [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, 'DATE')
    .replaceAll(/(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat) \w{3} [ \d]\d \d\d:\d\d:\d\d(?: \d{4})?/g, 'DATE')
    .replaceAll(/^(message_size|warning_message_time|message_arrival_time):.*$/gm, '$1: HERE')
}

async function outputs(
  folders: Record<Whose, MailFolder>, name: string, args: (whose: Whose) => readonly string[],
): Promise<Record<Whose, string>> {
  const run = async (whose: Whose): Promise<string> => {
    const { stdout, stderr } = await folders[whose].run('real', name, args(whose))
    return stdout + stderr
  }
  const [real, ours] = await Promise.all([run('real'), run('ours')])
  return { real, ours }
}

/** Sorted, as directories are not. */
const sorted = (text: string): string[] => text.split('\n').toSorted()

test('the real Postfix reads the same from a queue that Posthorn has filled as from its own', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const options = { main: MAIN, files: { header_checks: '/^X-Hold:/ HOLD on request\n' } }
  await using real = await createMailFolder(options)
  await using ours = await createMailFolder(options)
  const folders = { real, ours }
  const messages = submissions(COUNT, SEED)
  const [theirs, made] = await Promise.all([fill(real, 'real', messages), fill(ours, 'ours', messages)])
  const ids = { real: theirs.ids, ours: made.ids }
  const numbers = [...ids.real.keys()].toSorted((a, b) => a - b)
  const idOf = (whose: Whose, number: number): string => ids[whose].get(number) ?? 'none'
  t.diagnostic(`${numbers.length} messages queued, ${theirs.refusals.length} refused`)

  await t.test('the same messages are taken, the others refused in the same words', () => {
    assert.deepEqual(made.refusals, theirs.refusals)
    assert.deepEqual([...ids.ours.keys()].toSorted((a, b) => a - b), numbers)
  })

  for (const number of numbers) {
    await t.test(`postcat -q, message ${number}`, async () => {
      const shown = await outputs(folders, 'postcat', (whose) => ['-q', idOf(whose, number)])
      const [expected, seen] = BOTH.map((whose) => plain(shown[whose], folders[whose], idOf(whose, number)))
      assert.equal(seen, expected, JSON.stringify(messages[number]).slice(0, 400))
    })
  }

  await t.test('sizes in the first record fit the file, and count what Postfix counts', () => {
    for (const number of numbers) {
      const [expected, seen] = BOTH.map((whose) => {
        const id = idOf(whose, number)
        const path = folders[whose].files('deferred', 'hold').find((file) => file.endsWith(`/${id}`)) ?? ''
        const full = path.startsWith('hold/') ? path : `deferred/${id.slice(0, 1)}/${id}`
        return comparableRecords(readFileSync(join(folders[whose].queue, full)), id)[0]
      })
      assert.equal(seen, expected, `message ${number}`)
    }
  })

  for (const running of [true, false]) {
    const state = running ? 'while Posthorn runs' : 'of the stopped system'
    if (!running) await Promise.all([real.stop('real'), ours.stop('ours')])

    await t.test(`postqueue -j ${state}`, async () => {
      const [expected, seen] = await Promise.all(BOTH.map((whose) => queueList(folders[whose])))
      for (const number of numbers) {
        const [one, other] = ([['real', expected], ['ours', seen]] as const).map(([whose, list]) => {
          const entry = list?.find(({ queue_id }) => queue_id === idOf(whose, number))
          return { ...entry, queue_id: 'ID', arrival_time: 0, message_size: 0 }
        })
        assert.deepEqual(other, one, `message ${number}`)
      }
    })

    await t.test(`postqueue -p ${state}`, async () => {
      const shown = await outputs(folders, 'postqueue', () => ['-p'])
      const parts = (whose: Whose): Map<string, string> => {
        const entries = shown[whose].split(/\n(?=[0-9A-F]{6,}[*!# ])/)
        return new Map(entries.map((entry) => [/^[0-9A-F]{6,}/.exec(entry)?.[0] ?? 'head', entry]))
      }
      const [expected, seen] = BOTH.map((whose) => numbers.map((number) => {
        const id = idOf(whose, number)
        const entry = plain(parts(whose).get(id) ?? '', folders[whose], id)
        return entry.replace(/^(ID[*!# ])\s*\d+/, '$1 SIZE').replace(/\n-- [^]*$/, '').trim()
      }))
      assert.deepEqual(seen, expected)
    })
  }

  await t.test('qshape', async () => {
    for (const args of [['deferred'], ['hold'], ['-s', 'deferred', 'hold'], ['-p', 'deferred']]) {
      const shown = await outputs(folders, 'qshape', (whose) => ['-c', folders[whose].etc, ...args])
      assert.deepEqual(sorted(shown.ours), sorted(shown.real), args.join(' '))
    }
  })

  await t.test('postsuper finds nothing to repair, and moves, expires, requeues and deletes', async () => {
    const [first = 0, second = 0, third = 0] = numbers
    const steps: readonly ((whose: Whose) => readonly string[])[] = [
      () => [], () => ['-s'], () => ['-S'], () => ['-p'], (whose) => ['-h', idOf(whose, first)],
      (whose) => ['-e', idOf(whose, second)], () => ['-H', 'ALL'],
      (whose) => ['-r', idOf(whose, third)], (whose) => ['-d', idOf(whose, second)], () => ['-h', 'ALL', 'deferred'],
      () => ['-d', 'ALL'],
    ]
    for (const step of steps) {
      const shown = await outputs(folders, 'postsuper', step)
      const [expected, seen] = BOTH.map((whose) =>
        [first, second, third].reduce((text, number) => plain(text, folders[whose], idOf(whose, number)), shown[whose]))
      assert.equal(seen, expected, step('ours').join(' '))
      const queues = ['maildrop', 'deferred', 'hold']
      const left = (whose: Whose): number[] => queues.map((queue) => folders[whose].files(queue).length)
      assert.deepEqual(left('ours'), left('real'), step('ours').join(' '))
    }
    const all = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'defer', 'bounce', 'trace']
    assert.deepEqual(ours.files(...all), real.files(...all))
  })
})
