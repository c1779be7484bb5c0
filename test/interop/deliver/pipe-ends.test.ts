/** Commands of pipe that end in all the ways there are: what ours and the real pipe say of them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type Twin } from '#test/support/twins.ts'

const SCRIPTS: Readonly<Record<string, string>> = {
  ok: 'exit 0', out: 'echo all is well; echo more; exit 0', bad: 'echo no way; exit 69', quiet: 'exit 67', temp: 'exit 75', odd: 'exit 9',
  dsn: 'echo 5.7.9 not you; exit 1', dsntemp: 'echo 4.7.9 not now; exit 1', kill: 'kill -9 $$$$',
}
const NAMES = [...Object.keys(SCRIPTS), 'none']
const MASTER = [
  ...Object.entries(SCRIPTS).map(([name, script]) => `p-${name} unix - n n - - pipe flags=Rq user=games null_sender= argv=/bin/sh -c { ${script} }`),
  'p-none unix - n n - - pipe user=games argv=/nonexistent/program $recipient',
]

async function sendAll(twin: Twin): Promise<void> {
  for (const name of NAMES) {
    await twin.send('orig@far.example', [`a@${name}.example`, `b@${name}.example`], 'From: a@far.example\nSubject: mail\n\nHello.')
  }
  await twin.settled()
}

test('pipe says of commands what the real one says', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using twins = await startTwins({
    main: { transport_maps: 'texthash:$DIR/transport' }, master: MASTER,
    files: { transport: NAMES.map((name) => `${name}.example p-${name}:\n`).join('') },
  })
  await Promise.all([sendAll(twins.real), sendAll(twins.ours)])
  const lines = /^pipe\[/
  assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
  assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
  return undefined
})

/** Macros of each kind, in one argument each, as the command sees them. */
const MACROS = ['sender', 'recipient', 'original_recipient', 'user', 'extension', 'mailbox', 'domain', 'nexthop']
const SEES = `argv=/bin/sh -c { printf '<%%s>' "$$@" >&2; exit 69 } sh ${MACROS.map((name) => `\${${name}}`).join(' ')} x\${user}y`
const FLAGS: Readonly<Record<string, string>> = { none: 'R', fold: 'hu', all: 'hqu', quote: 'q', host: 'h' }

async function sendOdd(twin: Twin): Promise<void> {
  for (const name of Object.keys(FLAGS)) {
    for (const from of ['', 'List+X@Far.Example', '"a b"@far.example']) {
      for (const to of [`Bob+Ext@${name}.Example`, `+Folder@${name}.example`, `"A B"@${name}.example`, `Eve@${name}.example`]) {
        await twin.send(from, [to], 'From: a@far.example\nSubject: mail\n\nHello.')
      }
    }
  }
  await twin.settled()
}

test('pipe gives commands the arguments that the real one gives', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using twins = await startTwins({
    main: { transport_maps: 'texthash:$DIR/transport', recipient_delimiter: '+', canonical_maps: 'inline:{eve@host.example=Eva@Host.Example}' },
    master: Object.entries(FLAGS).map(([name, flags]) => `p-${name} unix - n n - - pipe Flags=${flags} user=games { null_sender=Null Sender } ${SEES}`),
    files: { transport: Object.keys(FLAGS).map((name) => `${name}.example p-${name}:Next.Hop\n`).join('') },
  })
  await Promise.all([sendOdd(twins.real), sendOdd(twins.ours)])
  const lines = /^pipe\[.* status=/
  assert.equal(twins.real.lines(lines).length, Object.keys(FLAGS).length * 12)
  assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
  return undefined
})
