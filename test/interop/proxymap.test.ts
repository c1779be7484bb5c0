/**
 * proxymap against that of real Postfix 3.11: the same configuration on both sides, the same questions by postmap of each,
 * and what both services write to their logs.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connectProxy } from '#tables/proxy.ts'
import { judgeAbsent, startJudge } from '#test/support/judge.ts'
import { ours } from '#test/support/postmap.ts'
import { startSystem } from '#test/support/system.ts'

const WRITER = 'proxywrite unix - - n - 1 proxymap'
const READER = 'proxymap unix - - n - - proxymap'
const FILES = { t: 'a b\nFoo bar\n', words: 'x y\nz w\n' }

/** `$DIR` is where the files are, `$DATA` what both may write. */
const MAIN = {
  virtual_alias_maps: [
    'proxy:texthash:$DIR/t', 'unionmap:{proxy:inline:{a=1},inline:{a=2}}', '{ proxy:inline:{b=2} x=y }', 'proxy:pcre:{{/^a/ zz}}',
    'pipemap:{proxy:inline:{q=r}}', 'proxy:unionmap:{inline:{a=1},inline:{a=2}}', 'proxy:fail:x', 'proxy:texthash:/no/file', 'proxy:static:z', 'proxy:nope:x',
    'proxy:proxy:inline:{z=9}', 'debug:proxy:inline:{d=3}', 'proxy:inline:{AB=cd}', 'static:{a b}', 'proxy:lmdb:$DIR/words',
  ].join(' '),
  smtpd_recipient_restrictions: 'check_recipient_access proxy:inline:{rcpt=ok}, { check_sender_access proxy:inline:{sender=ok} }',
  address_verify_map: 'proxy:lmdb:$DATA/cache',
  smtp_sasl_auth_cache_name: 'proxy:internal:x',
  lmtp_sasl_auth_cache_name: 'proxy:texthash:$DIR/t',
}

const QUESTIONS: readonly (readonly [argv: readonly string[], input?: string])[] = [
  ...['texthash:$DIR/t', 'inline:{a=1}', 'inline:{a=2}', 'inline:{b=2}', 'pcre:{{/^a/ zz}}', 'inline:{q=r}', 'unionmap:{inline:{a=1},inline:{a=2}}', 'fail:x', 'texthash:/no/file',
    'static:z', 'nope:x', 'inline:{z=9}', 'proxy:inline:{z=9}', 'inline:{d=3}', 'x', 'inline:{AB=cd}', 'static:{a b}', 'inline:{rcpt=ok}', 'inline:{sender=ok}', 'lmdb:$DIR/words',
  ].map((table) => [['-q', 'a', `proxy:${table}`]] as const),
  [['-q', 'ab', 'proxy:inline:{AB=cd}']], [['-fq', 'AB', 'proxy:inline:{AB=cd}']], [['-fq', 'ab', 'proxy:inline:{AB=cd}']],
  [['-q', 'a', 'debug:proxy:static:z']], [['-q', 'a', 'unionmap:{proxy:static:z,static:y}']], [['-q', '-', 'proxy:lmdb:$DIR/words'], 'x\nnone\nZ\n'],
  [['-q', 'k'.repeat(5000), 'proxy:static:z']], [['-s', 'proxy:texthash:$DIR/words']], [['-s', 'proxy:lmdb:$DIR/words']], [['-js', 'proxy:lmdb:$DIR/words']],
  [['-d', 'a', 'proxy:lmdb:$DATA/cache']], [['-d', 'a', 'proxy:texthash:$DIR/t']], [['-d', 'a', 'proxy:lmdb:$DIR/t']], [['-d', 'a', 'proxy:internal:x']], [['-d', 'a', 'proxy:x']],
  [['proxy:lmdb:$DIR/words']],
]

// What postmap sets up in this process.
after(() => void connectProxy(undefined))

test('proxymap: approval, answers, errors and log lines are those of Postfix 3.11', async (t) => {
  if (judgeAbsent() !== undefined) return t.skip(judgeAbsent() ?? '')
  await using judge = await startJudge(withData(MAIN, '$data_directory'), { master: [WRITER], files: FILES })
  await using system = await startSystem({ main: withFiles(withData(MAIN, '$data_directory'), '@HOME@/etc'), master: [READER, WRITER], files: FILES })
  const data = { judge: join(judge.etc, '../data'), system: system.etc.replace(/etc$/, 'data') }
  for (const etc of [judge.etc, system.etc]) assert.equal((await judge.run('postmap', [`lmdb:${etc}/words`])).status, 0)
  for (const [argv, input = ''] of QUESTIONS) {
    const at = (etc: string, where: string): string[] => argv.map((word) => word.replaceAll('$DIR', etc).replaceAll('$DATA', where))
    const neutral = (text: string): string => text.replaceAll(judge.etc, 'DIR').replaceAll(system.etc, 'DIR').replaceAll(data.judge, 'DATA').replaceAll(data.system, 'DATA')
    const real = await judge.run('postmap', at(judge.etc, data.judge), { input })
    const mine = await ours({ path: system.etc, write: () => '', [Symbol.dispose]: () => undefined }, 'postmap', at(system.etc, data.system), input)
    assert.deepEqual(
      { status: mine.status, out: neutral(mine.out), log: neutral(mine.log) },
      { status: real.status, out: neutral(real.stdout), log: neutral(real.stderr).trim() }, argv.join(' '))
  }
  const mine = await system.waitForLog(/lmdb:.*\/t in main\.cf|unapproved table: "lmdb:.*\/t"/).then(() => system.log())
  assert.deepEqual(warnings(mine, system.etc), warnings(judge.log(), judge.etc))
  return undefined
})

/** What a service logged, each once, in one order. */
function warnings(lines: readonly string[], etc: string): string[] {
  const said = lines.map((line) => /\/proxymap\[\d+\]: ((?:warning|error|info): .*)/.exec(line)?.[1] ?? '')
  const own = [...new Set(said.filter((line) => line !== '' && !line.includes('package installed?')))]
  return own.map((line) => line.replaceAll(etc, 'DIR').replaceAll(/\S*\/data\b/g, 'DATA')).toSorted()
}

function withData(main: Readonly<Record<string, string>>, data: string): Record<string, string> {
  return Object.fromEntries(Object.entries(main).map(([name, value]) => [name, value.replaceAll('$DATA', data)]))
}

function withFiles(main: Readonly<Record<string, string>>, folder: string): Record<string, string> {
  return Object.fromEntries(Object.entries(main).map(([name, value]) => [name, value.replaceAll('$DIR', folder)]))
}

test('proxymap: swaps a changed table; postmap changes and lists what proxywrite keeps, in btree and sdbm', async () => {
  await using system = await startSystem({
    main: { virtual_alias_domains: 'alias.example', virtual_alias_maps: 'proxy:texthash:@HOME@/etc/aliases', address_verify_map: 'proxy:btree:$data_directory/cache', smtp_sasl_auth_cache_name: 'proxy:sdbm:$data_directory/small' },
    master: [READER, WRITER], files: { aliases: 'x one\n' },
  })
  const where = { path: system.etc, write: () => '', [Symbol.dispose]: () => undefined }
  const aliases = `proxy:texthash:${system.etc}/aliases`
  assert.equal((await ours(where, 'postmap', ['-q', 'x', aliases])).out, 'one\n')
  writeFileSync(join(system.etc, 'aliases'), 'x two\nmore lines\n')
  const deadline = Date.now() + 20_000
  let answer = 'one\n'
  while (answer === 'one\n' && Date.now() < deadline) answer = (await ours(where, 'postmap', ['-q', 'x', aliases])).out
  assert.equal(answer, 'two\n')
  for (const name of ['btree', 'sdbm']) {
    const cache = `proxy:${name}:${system.etc.replace(/etc$/, 'data')}/${name === 'btree' ? 'cache' : 'small'}`
    const many = Array.from({ length: 1200 }, (_, i) => `key${i} value${i}\n`).join('')
    assert.deepEqual(await ours(where, 'postmap', ['-i', cache], many), { status: 0, out: '', log: '' })
    assert.equal((await ours(where, 'postmap', ['-d', 'KEY7', cache])).status, 0)
    assert.equal((await ours(where, 'postmap', ['-d', 'key7', cache])).status, 1)
    const direct = cache.replace('proxy:', '')
    assert.equal((await ours(where, 'postmap', ['-s', direct])).out.split('\n').length, 1200)
    assert.equal((await ours(where, 'postmap', ['-q', 'key8', direct])).out, 'value8\n')
  }
})
