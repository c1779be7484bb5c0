/**
 * Tables against real Postfix: the same questions to its postmap and to ours, and
 * each reads the files that the other made, where `postconf -m` says that it can.
 */
import assert from 'node:assert/strict'
import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { JUDGE, ours, SYSTEM, theirs, workplace, type Postfix, type Result } from '#test/support/postmap.ts'

const CIDR = '1.2.3.0/24 a\n!1.2.0.0/16 notb\nif 1.2.0.0/16\n1.2.5.5 c\n!1.2.6.0/24 d\nendif\n1.2.3.4/24 x\n[2001:db8::]/32 v6\n2001:db9::/32 v6b\n1.2.3 z\nfoo bar\n1.2.3.4\nendif\nif 1.2.0.0/16 junk\n'
const RULES = '/^foo(.*)bar$/ got $1 ${1} $(1) $$ x\n!/^[a-e]/ nota\n/x/q y\nbad\n/ab\nif /^z/\n/zz/ zz\nendif\nendif\nif !/^z/\n/q$/ endq\nendif\n/a(b)c/  $2\n!/neg(b)/ $1\n/dol3/ a${12}\n/(d)(e)?/ [$2$1]\n/e1$/ e1\n'
const TEXT = 'a b\nFoo  Bar baz \n"x y"@z  ok\nlonely\n# c\n\ncont one\n  two\n# inner\n  three\ndup 1\ndup 2\nk: v\nbad" x\n'
const OLD = new Date(2020, 1, 1)

const QUESTIONS: readonly (readonly [spec: string, keys: readonly string[]])[] = [
  ['cidr:$DIR/cidr', ['1.2.3.4', '1.2.5.5', '1.2.6.1', '1.2.7.7', '9.9.9.9', '2001:DB8::5', '2001:db9::1', '::ffff:1.2.3.4', 'foo']],
  ['regexp:$DIR/rules', ['fooXbar', 'abc', 'ZZZ', 'xq', 'bq', 'de', 'dx', 'ae1']],
  ['pcre:$DIR/rules', ['fooXbar', 'abc', 'ZZZ', 'xq', 'bq', 'de', 'dx', 'ae1']],
  ['texthash:$DIR/text', ['FOO', 'cont', 'dup', 'no', '"x y"@z']],
  ['cidr:{{1.2.3.0/24 a}, {1.2.4.0/24   b c  }}', ['1.2.3.9', '1.2.4.4']],
  ['pcre:{{/fo(o)/ bar$1}}', ['foo', 'x']],
  ['inline:{a=b,{ C = d e }, x=y}', ['a', 'c', 'C', 'no']],
  ['static:{ two words }', ['x']],
  ['unionmap:{static:a,inline:{x=q},inline:{y=1}}', ['x', 'z']],
  ['pipemap:{static:a,inline:{a=z}}', ['x']],
  ['pipemap:{static:a,fail:b}', ['x']],
  ['unix:passwd.byname', ['root', 'no-such-user']],
  ['unix:group.byname', ['root']],
  ['texthash:/no/file', ['x']],
  ['hash:/no/file', ['x']],
  ['pipemap:{static}', ['x']],
  ['randmap:{}', ['x']],
  ['inline:{a', ['x']],
]

for (const [spec, keys] of QUESTIONS) {
  test(`postmap -q: the same answers and warnings as Postfix 3.11: ${spec}`, async (t) => {
    if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
    using folder = workplace()
    for (const [name, content] of [['cidr', CIDR], ['rules', RULES], ['text', TEXT]] as const) folder.write(name, content)
    // Postfix reads a text file that is younger than a few seconds several times.
    for (const name of ['cidr', 'rules', 'text']) utimesSync(join(folder.path, name), OLD, OLD)
    for (const key of keys) {
      const argv = ['-q', key, spec.replace('$DIR', folder.path)]
      assert.deepEqual(await ours(folder, 'postmap', argv), await theirs(JUDGE, folder, 'postmap', argv), key)
    }
  })
}

/** Types whose files both can make and read, with the Postfix that has them. */
const FILES: readonly (readonly [type: string, postfix: Postfix])[] = [
  ['hash', SYSTEM], ['btree', SYSTEM], ['lmdb', SYSTEM], ['cdb', SYSTEM], ['hash', JUDGE], ['btree', JUDGE], ['lmdb', JUDGE], ['cdb', JUDGE],
]

function source(): string {
  return Array.from({ length: 3000 }, (_, i) => `user${i}@example${i % 97}.com ${i % 300 === 0 ? 'v'.repeat(i + 1) : `value ${i}`}\n`).join('')
}

function sorted({ status, out }: Result): { status: number; lines: string[] } {
  return { status, lines: out.split('\n').toSorted() }
}

for (const [type, postfix] of FILES) {
  test(`${type}: Postfix ${postfix.name} reads our files and we read its, also after changes by the other`, async (t) => {
    if (postfix.absent !== undefined) return t.skip(postfix.absent)
    using folder = workplace()
    const types = (await theirs(postfix, folder, 'postconf', ['-m'])).out.split('\n')
    if (!types.includes(type)) return t.skip(`Postfix ${postfix.name} has no ${type}`)
    const queries = source().replaceAll(/ .*/g, '')
    const [first, second] = [`${type}:${folder.write('ours', source())}`, `${type}:${folder.write('theirs', source())}`]
    assert.equal((await ours(folder, 'postmap', [first])).status, 0)
    const made = await theirs(postfix, folder, 'postmap', [second])
    assert.equal(made.status, 0, made.log)
    for (const spec of [first, second]) {
      const answers = await theirs(postfix, folder, 'postmap', ['-q', '-', spec], queries)
      assert.equal(answers.out.split('\n').length, 3001)
      assert.deepEqual(await ours(folder, 'postmap', ['-q', '-', spec], queries), answers)
      if (type !== 'cdb') assert.deepEqual(sorted(await ours(folder, 'postmap', ['-s', spec])), sorted(await theirs(postfix, folder, 'postmap', ['-s', spec])))
    }
    if (type === 'cdb') return undefined
    const added = Array.from({ length: 1000 }, (_, i) => `new${i} ${'w'.repeat(i % 70)}x\n`).join('')
    assert.equal((await theirs(postfix, folder, 'postmap', ['-i', first], added)).status, 0)
    assert.equal((await ours(folder, 'postmap', ['-i', second], added)).status, 0)
    for (const spec of [first, second]) {
      const all = sorted(await ours(folder, 'postmap', ['-s', spec]))
      assert.equal(all.lines.length, 4001)
      assert.deepEqual(all, sorted(await theirs(postfix, folder, 'postmap', ['-s', spec])))
    }
    return undefined
  })
}

test('postalias: the same database and warnings as Postfix 3.11', async (t) => {
  if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
  using folder = workplace()
  const aliases = 'root: me, "Foo Bar" <a@b>, |"cmd x" , /file/x,\n  :include:/x\n"a b": x\nFoo.Bar: Y\nnocolon\nx@y: z\nempty:\nroot: dup\n: nokey\nowner-x: "|prog arg"\na:b\nq: \\a\nc: foo (comment)\nlist: a@b; c@d\nbad: "unbal\n'
  const spec = `lmdb:${folder.write('al', aliases)}`
  const list = async (run: typeof ours): Promise<string> => {
    const built = await run(folder, 'postalias', [spec])
    const { out } = await run(folder, 'postalias', ['-s', spec])
    return `${built.log}\n${out.replace(/\d{10}/, 'TIME')}`
  }
  assert.equal(await list(ours), await list((where, program, argv, input) => theirs(JUDGE, where, program, argv, input)))
})
