/** The same forty queries of every type of table without a server, by postmap of real Postfix 3.11 and by ours. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { JUDGE, ours, theirs, workplace } from '#test/support/postmap.ts'
import type { TableFolder } from '#test/support/tables.ts'

const KEYS: readonly string[] = [
  'user', 'User', 'USER@Example.COM', 'user@example.com', 'user@sub.example.com', '@example.com', 'example.com', '.example.com', 'sub.example.com',
  'a b', '"a b"@example.com', 'user+ext', 'user+ext@example.com', 'root', 'no-such-user', 'nobody', '1.2.3.4', '1.2.5.5', '1.2.6.9', '9.9.9.9',
  '10.255.0.1', '2001:db8::1', '2001:DB8:0:0::1', '2001:db9::5', '::1', '::ffff:1.2.3.4', 'Ärger', 'ärger', 'ÄRGER@EXAMPLE.COM', 'straße',
  'ΣΑΣ', 'Subject: hello', 'X-Header: foobar', 'abc', 'aabbcc', 'x'.repeat(300), '<>', 'MAILER-DAEMON', '$1', '0',
]

const ENTRIES = [
  'user  first', 'USER@example.com value with   blanks', 'user@sub.example.com a,b, c', '@example.com all', 'example.com OK', '.example.com sub',
  '"a b"@example.com quoted', 'user+ext ext', 'root me@example.org', '1.2.3.4 four', '1.2 net', '2001:db8::1 six', 'ärger umlaut', 'straße sharp', 'σας sigma',
  'abc ABC', '<> null', '$1 dollar', '0 zero', `${'x'.repeat(300)} ${'y'.repeat(400)}`, 'user again', 'novalue', 'key: colon',
].join('\n')
const CIDR = '1.2.3.0/24 three\n!1.2.0.0/16 outside\nif 1.2.0.0/16\n1.2.5.5 five\n!1.2.6.0/24 not6\nendif\n2001:db8::/32 v6\n[2001:db9::]/32 brackets\n::1 self\n1.2.3.4/24 bits\n0.0.0.0/0 any\n'
const RULES = [
  '/^user$/ plain', '/^user\\+(.*)@(.*)$/ $1 at ${2}', '!/[a-z]/ no letters', 'if /@/', '/^@(.*)/ domain $1', '/"(.*) (.*)"/ $(2) $(1)', 'endif', 'if !/[0-9]/', '/^Subject: *(.+)/ REJECT $1',
  '/foo(bar)?(baz)?/ [$1][$2]', '/^a+b+c+$/ $$0', '/(ä|Ä)rger/ umlaut', 'endif', '/^.{300}$/ long', '/^<>$/ null', '/^Root$/i root', '/^NOBODY$/ case', '#/x/ y', '/x/ x', 'bad', '/(/ bad',
].join('\n')
const SINGLE = 'inline:{user=first, { USER@example.com = upper }, 0=zero, {$1=dollar}, root=me, 1.2.3.4=four, {2001:db8::1 = six}, ärger=umlaut, straße=sharp, ΣΑΣ=sigma}'

/** Types with a source file, and how the file is made. */
const BUILT = ['hash', 'btree', 'lmdb', 'cdb'] as const
/** `$DIR` stands for the folder of the files. */
const SPECS: readonly string[] = [
  ...BUILT.map((type) => `${type}:$DIR/${type}`), 'texthash:$DIR/entries', 'cidr:$DIR/cidr', 'regexp:$DIR/rules', 'pcre:$DIR/rules',
  'cidr:{{1.2.3.0/24 three}, {!1.2.0.0/16 outside}}', 'regexp:{{/^u(s)er/ $1}, {!/@/ none}}', 'pcre:{{/^U(s)er/ $1}, {/@(?=sub)/ ahead}}',
  SINGLE, 'static:all', 'static:{ all  of  it }', 'environ:x', 'internal:x', 'fail:x', `debug:${SINGLE}`, 'debug:fail:x', 'debug:cidr:$DIR/cidr', 'randmap:{one}', 'randmap:{one,one, one}',
  `unionmap:{static:all,${SINGLE},texthash:$DIR/entries}`, `pipemap:{${SINGLE},inline:{first=second,four=1.2.3.4},regexp:$DIR/rules}`, 'pipemap:{texthash:$DIR/entries,fail:x}',
  'unix:passwd.byname', 'unix:group.byname',
  'hash:/no/file', 'lmdb:/no/file', 'cdb:/no/file', 'cidr:{{1.2.3.0/24}}', 'inline:{=x}', 'inline:{{a b = c}}', 'inline:{x}', 'randmap:x', 'unionmap:{}', 'debug:x', 'unix:x', 'environ:', 'static:{x', 'regexp:{/x/ y}',
]

/** All answers of the judge, in one run of sh; side by side, since each that fails takes a second. */
async function judged(folder: TableFolder, spec: string): Promise<string[]> {
  const [script, ...command] = JUDGE.command('postmap')
  const each = 'i=0; for key in "$@"; do { "$JUDGED" -c "$FOLDER" -q "$key" "$SPEC" 2>&1; echo "status $?"; } > "$FOLDER/answer$i" & i=$((i + 1)); done; wait'
  const env = { ...process.env, JUDGED: command.at(-1), FOLDER: folder.path, SPEC: spec, user: 'environment' }
  await promisify(execFile)(script, [...command.slice(0, -1), 'sh', '-c', each, 'sh', ...KEYS], { env })
  return KEYS.map((_, i) => withoutRepeats(readFileSync(join(folder.path, `answer${i}`), 'utf8')))
}

const PACKAGING = /package installed\?|support is deprecated\.|NON_BERKELEYDB_README/

/** Warnings that are repeated while a fresh file is read count once. */
function withoutRepeats(answer: string): string {
  return [...new Set(answer.split('\n').filter((line) => !PACKAGING.test(line)))].join('\n')
}

test('postmap -q: forty queries of each type have the answers and exit statuses of Postfix 3.11', async (t) => {
  if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
  assert.equal(new Set(KEYS).size, 40)
  using folder = workplace()
  const sources = [['entries', ENTRIES], ['cidr', CIDR], ['rules', RULES], ...BUILT.map((type) => [type, ENTRIES] as const)] as const
  for (const [name, content] of sources) {
    const old = new Date(2020, 1, 1)
    utimesSync(folder.write(name, `${content}\n`), old, old)
  }
  for (const type of BUILT) assert.equal((await theirs(JUDGE, folder, 'postmap', [`${type}:${join(folder.path, type)}`])).status, 0)
  process.env['user'] = 'environment'
  for (const named of SPECS) {
    await t.test(named, async () => {
      const spec = named.replaceAll('$DIR', folder.path)
      const expected = await judged(folder, spec)
      for (const [i, key] of KEYS.entries()) {
        const { status, out, log } = await ours(folder, 'postmap', ['-q', key, spec])
        const lines = [...new Set(log.split('\n'))].filter((line) => line !== '')
        // Of one process, one stream after the other; the judge's come together.
        const mine = [...lines, ...out.split('\n').filter((line) => line !== ''), `status ${status}`]
        assert.deepEqual(mine.toSorted(), (expected[i] ?? '').split('\n').filter((line) => line !== '').toSorted(), `${spec} ${key}`)
      }
    })
  }
  delete process.env['user']
  return undefined
})
