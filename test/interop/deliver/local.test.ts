/** What local does with aliases, lists and their owners: for ours and for the real one. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type SmtpParameters, type Twin, type TwinOptions } from '#test/support/twins.ts'

const ALIASES = `
l-fail: "|exit 67"
owner-l-fail: own-fail@far.example
l-perm: "|exit 69", "|echo bad luck; exit 77"
owner-l-perm: own-perm@far.example
l-noowner: "|exit 67"
l-temp: "|exit 75"
owner-l-temp: own-temp@far.example
l-missing: :include:/nonexistent/list
owner-l-missing: own-missing@far.example
l-relative: :include:relative
owner-l-relative: own-relative@far.example
l-folder: :include:/tmp
owner-l-folder: own-folder@far.example
l-nouser: nosuchuser
owner-l-nouser: own-nouser@far.example
l-file: /nonexistent/folder/file
owner-l-file: own-file@far.example
l-restricted: :include:$BOX/list
owner-l-restricted: own-restricted@far.example
l-loop: someone@far.example
owner-l-loop: own-loop@far.example
l-nested: l-inner
owner-l-nested: own-nested@far.example
l-inner: "|exit 67", member@far.example
l-nested2: l-inner2
owner-l-nested2: own-nested2@far.example
l-inner2: "|exit 67", member@far.example
owner-l-inner2: own-inner2@far.example
l-round: l-round2
l-round2: l-round
owner-l-round: own-round@far.example
owner-l-round2: own-round2@far.example
l-empty: ,
owner-l-empty: own-empty@far.example
l-mixed: "|exit 67", a@far.example, "|cat >/dev/null", b@far.example
owner-l-mixed: own-mixed@far.example
l-fwd: a@far.example
owner-l-fwd: own-fwd@far.example
plain: a@far.example, b@far.example
l-request: "|exit 67"
`

const NAMES = [
  'l-fail', 'l-perm', 'l-noowner', 'l-temp', 'l-missing', 'l-relative', 'l-folder', 'l-nouser', 'l-file', 'l-restricted', 'l-loop',
  'l-nested', 'l-nested2', 'l-round', 'l-empty', 'l-mixed', 'l-fwd', 'plain', 'l-request', 'l-fail+ext', 'l-mixed+ext', 'owner-l-fail', 'games', 'lp', 'mail', 'news',
]

const OPTIONS: TwinOptions = {
  main: { alias_maps: 'texthash:$DIR/aliases', recipient_delimiter: '+', local_recipient_maps: '', virtual_alias_domains: 'alias.example', virtual_alias_maps: 'inline:{{both@alias.example = a@far.example, b@far.example}}', mail_spool_directory: '$BOX/spool', forward_path: '$BOX/$user' },
  files: { aliases: ALIASES.replaceAll(/^(\S+):/gm, '$1') },
  setup: (folder) => {
    writeFileSync(join(folder, 'list'), '"|cat >/dev/null"\n/tmp/posthorn-no-such-file\n')
    mkdirSync(join(folder, 'spool'))
    chmodSync(join(folder, 'spool'), 0o1777)
    writeFileSync(join(folder, 'games'), 'a@far.example, \\games\n# none\n"|exit 67"\nb@far.example\n')
    writeFileSync(join(folder, 'news'), 'both@alias.example\n')
    writeFileSync(join(folder, 'lp'), '# nothing\n\n')
    writeFileSync(join(folder, 'mail'), '"|exit 75"\nb@far.example\n')
  },
}

async function sendAll(twin: Twin, parameters: SmtpParameters = {}): Promise<void> {
  for (const name of NAMES) {
    const head = name === 'l-loop' ? 'Delivered-To: l-loop@example.org\n' : ''
    await twin.send('orig@far.example', [`${name}@example.org`], `${head}Subject: ${name}\n\nHello.`, parameters)
  }
  await twin.settled()
}

for (const [what, main, parameters] of [
  ['by default', {}, {}],
  ['with NOTIFY=SUCCESS,FAILURE', {}, { rcpt: ' NOTIFY=SUCCESS,FAILURE' }],
  ['with expand_owner_alias', { expand_owner_alias: 'yes' }, {}],
  ['with soft_bounce', { soft_bounce: 'yes' }, {}],
] as const) {
  test(`local does with lists and their owners what the real one does, ${what}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    await using twins = await startTwins({ ...OPTIONS, main: { ...OPTIONS.main, ...main } })
    await Promise.all([sendAll(twins.real, parameters), sendAll(twins.ours, parameters)])
    const lines = /^(?:local|bounce)\[/
    assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
    assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
    return undefined
  })
}
