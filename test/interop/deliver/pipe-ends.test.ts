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
