/** postmap, postalias and newaliases on real files: see src/commands/postmap, src/commands/postalias, src/commands/newaliases. */
import assert from 'node:assert/strict'
import { chmodSync, existsSync, readdirSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { CommandExit } from '#commands/getopt.ts'
import { main as newaliases } from '#commands/newaliases/main.ts'
import { main as postalias } from '#commands/postalias/main.ts'
import { main as postmap } from '#commands/postmap/main.ts'
import { captureLog } from '#test/support/log.ts'
import { tableFolder, type TableFolder } from '#test/support/tables.ts'

type Result = { readonly status: number; readonly out: string; readonly log: readonly string[] }
type Command = (argv: readonly string[], console: { out(text: string | Uint8Array): void; err(line: string): void }, input: AsyncIterable<Uint8Array>) => Promise<number>

async function* stream(text: string): AsyncGenerator<Uint8Array> {
  // Cut in two, in the middle of a line: readers must not take a chunk for a line.
  const bytes = Buffer.from(text)
  yield bytes.subarray(0, bytes.length / 2)
  yield bytes.subarray(bytes.length / 2)
}

/** A folder with an empty main.cf, in which commands run. */
function workplace(): TableFolder & { run(command: Command, argv: readonly string[], input?: string): Promise<Result> } {
  const folder = tableFolder()
  folder.write('main.cf', 'compatibility_level = 3.11\ndefault_database_type = lmdb\nmyhostname = host.example.com\n')
  const run = async (command: Command, argv: readonly string[], input = ''): Promise<Result> => {
    using log = captureLog()
    let out = ''
    const console = { out: (text: string | Uint8Array) => { out += Buffer.from(text).toString() }, err: () => undefined }
    try {
      const status = await command(['-c', folder.path, ...argv], console, stream(input))
      return { status, out, log: log.texts() }
    } catch (error) {
      if (!(error instanceof CommandExit)) throw error
      return { status: error.exitCode, out, log: [...log.texts(), error.message] }
    }
  }
  return { ...folder, run }
}

const SOURCE = 'a b\nFoo  Bar baz\nlonely\ndup 1\ndup 2\nk: v\n'

for (const type of ['hash', 'btree', 'lmdb', 'cdb']) {
  test(`postmap ${type}: builds, warns, answers`, async () => {
    using work = workplace()
    const path = work.write('t', SOURCE)
    const spec = `${type}:${path}`
    const suffix = { hash: '.db', btree: '.db', lmdb: '.lmdb', cdb: '.cdb' }[type] ?? ''
    const title = type === 'lmdb' ? spec : type === 'cdb' ? path : `${path}${suffix}`
    assert.deepEqual(await work.run(postmap, [spec]), { status: 0, out: '', log: [
      `warning: ${path}, line 3: expected format: key whitespace value`,
      `warning: ${title}: duplicate entry: "dup"`,
      `warning: ${path}, line 6: record is in "key: value" format; is this an alias file?`,
    ] })
    assert.deepEqual(await work.run(postmap, ['-q', 'FOO', spec]), { status: 0, out: 'Bar baz\n', log: [] })
    assert.deepEqual(await work.run(postmap, ['-q', 'absent', spec]), { status: 1, out: '', log: [] })
    assert.deepEqual(await work.run(postmap, ['-q', '-', 'inline:{x=y}', spec], 'a\nno\nDUP\nx'), { status: 0, out: 'a\tb\nDUP\t1\nx\ty\n', log: [] })
    assert.deepEqual(readdirSync(work.path).toSorted(), ['main.cf', 't', `t${suffix}`])
  })
}

for (const type of ['hash', 'btree', 'lmdb']) {
  test(`postmap ${type}: -s, -i, -d, -r, -w, -j`, async () => {
    using work = workplace()
    const spec = `${type}:${work.write('t', 'a b\ndup 1\n')}`
    const list = async (): Promise<string> => (await work.run(postmap, ['-s', spec])).out.split('\n').toSorted().join('\n')
    await work.run(postmap, [spec])
    assert.equal((await work.run(postmap, ['-i', spec], 'dup 3\nnew x\nNEW y\n')).log.length, 2)
    assert.equal(await list(), '\na\tb\ndup\t1\nnew\tx')
    assert.deepEqual(await work.run(postmap, ['-wi', spec], 'dup 3\n'), { status: 0, out: '', log: [] })
    assert.deepEqual(await work.run(postmap, ['-ri', spec], 'dup 3\n'), { status: 0, out: '', log: [] })
    assert.equal(await list(), '\na\tb\ndup\t3\nnew\tx')
    assert.equal((await work.run(postmap, ['-d', 'new', spec])).status, 0)
    assert.equal((await work.run(postmap, ['-d', 'new', spec])).status, 1)
    assert.equal((await work.run(postmap, ['-d', '-', spec], 'no\nDUP\n')).status, 0)
    assert.equal((await work.run(postmap, ['-js', spec])).out, '{"a": "b"}\n')
  })
}

test('postmap -f, -n, -N: case and trailing NUL of keys', async () => {
  using work = workplace()
  const spec = `hash:${work.write('t', 'Foo x\n')}`
  await work.run(postmap, ['-f', spec])
  assert.equal((await work.run(postmap, ['-q', 'Foo', spec])).status, 1)
  assert.equal((await work.run(postmap, ['-fq', 'Foo', spec])).out, 'x\n')
  await work.run(postmap, ['-n', spec])
  assert.equal((await work.run(postmap, ['-q', 'foo', spec])).out, 'x\n')
  assert.equal((await work.run(postmap, ['-Nq', 'foo', spec])).status, 1)
})

test('postmap -F stores the content of files', async () => {
  using work = workplace()
  const file = work.write('file', 'line one\nline two\n')
  const spec = `lmdb:${work.write('t', `x ${file}\ny /no/file\n`)}`
  assert.deepEqual((await work.run(postmap, ['-F', spec])).log, [`warning: ${work.path}/t, line 2: open /no/file: No such file or directory: skipping this entry`])
  assert.equal((await work.run(postmap, ['-q', 'x', spec])).out, `${Buffer.from('line one\nline two\n').toString('base64')}\n`)
  assert.equal((await work.run(postmap, ['-Fq', 'x', spec])).out, 'line one\nline two\n\n')
  const bad = `lmdb:${work.write('u', 'x not*base\n')}`
  await work.run(postmap, [bad])
  assert.deepEqual((await work.run(postmap, ['-Fq', 'x', bad])).log,
    [`warning: table ${bad}: key x: malformed BASE64 value: not*base`, `postmap: fatal: table ${bad}: query error`])
})

test('postmap: a new file gets the mode of its source, an old one keeps its own', async () => {
  using work = workplace()
  const path = work.write('t', 'a b\n')
  chmodSync(path, 0o640)
  await work.run(postmap, [`hash:${path}`])
  assert.equal(statSync(`${path}.db`).mode & 0o777, 0o640)
  chmodSync(`${path}.db`, 0o600)
  await work.run(postmap, ['-p', `hash:${path}`])
  assert.equal(statSync(`${path}.db`).mode & 0o777, 0o600)
  await work.run(postmap, ['-p', `lmdb:${path}`])
  assert.equal(statSync(`${path}.lmdb`).mode & 0o777, 0o644)
})

test('postmap -h -b -m: parts of a message as keys', async () => {
  using work = workplace()
  const message = 'Subject: Hello\nX-Foo: a\n  b c\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\n--xx\nX-Part: p\n\nbody\n--xx--\n'
  const keys = async (letters: string): Promise<string[]> =>
    (await work.run(postmap, [letters, '-', 'static:!'], message)).out.split('\t!\n').slice(0, -1)
  const top = ['Subject: Hello', 'X-Foo: a\n  b c', 'MIME-Version: 1.0', 'Content-Type: multipart/mixed; boundary=xx']
  assert.deepEqual(await keys('-hq'), top)
  assert.deepEqual(await keys('-bq'), ['', '--xx', 'X-Part: p', '', 'body', '--xx--'])
  assert.deepEqual(await keys('-hmq'), [...top, 'X-Part: p'])
  assert.deepEqual(await keys('-bmq'), ['', '--xx', '', 'body', '--xx--'])
})

test('postmap refuses in Postfix words', async () => {
  using work = workplace()
  const usage = 'postmap: fatal: usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...'
  const cases: readonly (readonly [argv: readonly string[], text: string])[] = [
    [[], usage],
    [['-z'], `postmap: invalid option -- 'z'\n${usage}`],
    [['-q', 'a', '-s', 'lmdb:x'], 'postmap: fatal: specify only one of -d -i -q or -s'],
    [['-h', '-q', 'a', 'lmdb:x'], 'postmap: fatal: specify -b -h or -m only with "-q -"'],
    [['foo:/no/file'], 'postmap: fatal: open /no/file: No such file or directory'],
    [['-q', 'a', 'foo:x'], 'postmap: fatal: unsupported dictionary type: foo'],
    [['-q', 'a', 'cdb:/no/file'], 'postmap: fatal: open database /no/file.cdb: No such file or directory'],
    [['-q', 'a', 'fail:x'], 'postmap: fatal: table fail:x: query error: Application error'],
    [['-s', 'static:x'], 'postmap: fatal: table static:x: sequence operation is not supported'],
    [['-d', 'x', 'static:x'], 'postmap: fatal: table static:x: delete operation is not supported'],
    [['-d', 'x', 'texthash:x'], 'postmap: fatal: texthash:x map requires O_RDONLY access mode'],
    [[`proxy:lmdb:${work.path}/main.cf`], "postmap: fatal: can't create maps via the proxy service"],
    [[`cidr:${work.path}/main.cf`], "postmap: fatal: no 'map create' support for this type: cidr"],
    [['-i', 'cdb:x'], 'postmap: fatal: unsupported non-bulk change request'],
  ]
  for (const [argv, text] of cases) assert.deepEqual(await work.run(postmap, argv), { status: 1, out: '', log: [text] }, argv.join(' '))
})

test('postmap -i: tables that take no entry say so at the first one, those in memory forget it', async () => {
  using work = workplace()
  const refusals = [
    ['static:x', 'table static:x: update operation is not supported'],
    ['fail:x', 'table fail:x: write error: Application error'],
  ] as const
  for (const [spec, text] of refusals) {
    assert.deepEqual(await work.run(postmap, ['-i', spec], 'a b\n'), { status: 1, out: '', log: [`postmap: fatal: ${text}`] })
    assert.deepEqual(await work.run(postmap, ['-i', spec], '# nothing\n'), { status: 0, out: '', log: [] })
    // The entries that mark an alias database are refused too.
    assert.deepEqual(await work.run(postalias, ['-i', spec], ''), { status: 1, out: '', log: [`postalias: fatal: ${text}`] })
  }
  for (const spec of ['internal:x', 'environ:x']) {
    assert.deepEqual(await work.run(postmap, ['-i', spec], 'a b\n'), { status: 0, out: '', log: [] })
    assert.deepEqual(await work.run(postalias, ['-i', spec], 'a: b\n'), { status: 0, out: '', log: [] })
  }
})

const ALIASES = 'root: me, "Foo Bar" <a@b>, |"cmd x" , /file/x,\n  :include:/x\n"a b": x\nFoo.Bar: Y\nnocolon\nx@y: z\nroot: dup\nq: \\a\n'

test('postalias builds, warns, lists and answers', async () => {
  using work = workplace()
  const path = work.write('al', ALIASES)
  const spec = `lmdb:${path}`
  assert.deepEqual((await work.run(postalias, [spec])).log, [
    `warning: ${path}, line 5: need name:value pair`,
    `warning: ${path}, line 6: name must be local and have no domain`,
    `warning: ${spec}: duplicate entry: "root"`,
  ])
  const value = 'me, "Foo Bar" <a@b>, |"cmd x", /file/x, :include:/x'
  assert.equal((await work.run(postalias, ['-q', 'ROOT', spec])).out, `${value}\n`)
  assert.equal((await work.run(postalias, ['-q', '-', spec], 'root\na b\nno\n')).out, `root:\t${value}\na b:\tx\n`)
  const list = (await work.run(postalias, ['-s', spec])).out.replace(/\d{10}/, 'TIME')
  assert.equal(list, `@:\t@\nYP_LAST_MODIFIED:\tTIME\nYP_MASTER_NAME:\thost.example.com\na b:\tx\nfoo.bar:\tY\nq:\ta\nroot:\t${value}\n`)
})

test('newaliases rebuilds what alias_database names', async () => {
  using work = workplace()
  const path = work.write('al', 'root: me\n')
  work.write('main.cf', `alias_database = hash:${path}, lmdb:${path}\n`)
  assert.equal(await newaliases(['-C', work.path]), 0)
  assert.ok(existsSync(`${path}.db`) && existsSync(`${path}.lmdb`))
  work.write('main.cf', 'alias_database =\n')
  assert.equal(await newaliases(['-C', work.path]), 0)
})

test('postmap and postalias take default_database_type where no type is written', async () => {
  using work = workplace()
  const path = work.write('t', 'a b\n')
  assert.deepEqual(await work.run(postmap, [path]), { status: 0, out: '', log: [] })
  assert.deepEqual(await work.run(postmap, ['-q', 'a', path]), { status: 0, out: 'b\n', log: [] })
  assert.deepEqual(readdirSync(work.path).toSorted(), ['main.cf', 't', 't.lmdb'])
  work.write('main.cf', 'compatibility_level = 3.11\ndefault_database_type = cdb\n')
  assert.equal((await work.run(postalias, [work.write('aliases', 'x: y\n')])).status, 0)
  assert.equal(existsSync(`${work.path}/aliases.cdb`), true)
})
