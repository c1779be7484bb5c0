/** sdbm files against Perl's SDBM_File, since Debian's Postfix has no sdbm: each reads what the other made and changed. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { ours, workplace } from '#test/support/postmap.ts'

/** Runs a program of Perl that has the file as `%t`; it may read standard input. What it prints. */
function perl(path: string, program: string, input = ''): string {
  const script = `use Fcntl; use SDBM_File; tie(my %t, "SDBM_File", $ARGV[0], O_RDWR|O_CREAT, 0644) or die "$!"; ${program}`
  const { status, stdout, stderr } = spawnSync('perl', ['-e', script, path], { input, encoding: 'latin1', maxBuffer: 1 << 26 })
  assert.equal(status, 0, stderr)
  return stdout
}

const LIST = 'foreach my $k (sort keys %t) { print "$k $t{$k}\\n" }'
const STORE = 'while (<STDIN>) { chomp; my ($k, $v) = split / /, $_, 2; $t{$k} = $v }'

const ENTRIES = Array.from({ length: 4000 }, (_, i) => `user${i}@example${i % 97}.com ${i % 50 === 0 ? 'v'.repeat(i % 900 + 1) : `value${i}`}`)
const SORTED = ENTRIES.map((line) => `${line}\n`).toSorted().join('')

/** The same lines with something behind each key and value. */
function padded(text: string, tail: string): string {
  return text.replaceAll(/ (.*)$/gm, `${tail} $1${tail}`)
}

/** Lines of `key value` in one order. */
function sorted(text: string): string {
  return text.split('\n').filter((line) => line !== '').map((line) => `${line}\n`).toSorted().join('')
}

const missing = spawnSync('perl', ['-e', 'use SDBM_File;']).status === 0 ? undefined : 'no perl with SDBM_File'

for (const [tail, letter] of [['\0', '-N'], ['', '-n']] as const) {
  test(`sdbm: Perl reads and changes our files, and we its, ${tail === '' ? 'without' : 'with'} NUL at the end`, async (t) => {
    if (missing !== undefined) return t.skip(missing)
    using folder = workplace()
    const mine = folder.write('mine', SORTED)
    assert.deepEqual(await ours(folder, 'postmap', [letter, `sdbm:${mine}`]), { status: 0, out: '', log: '' })
    assert.equal(sorted(perl(mine, LIST)), sorted(padded(SORTED, tail)))
    const its = join(folder.path, 'its')
    perl(its, STORE, padded(SORTED, tail))
    const list = async (name: string): Promise<string> => sorted((await ours(folder, 'postmap', ['-s', `sdbm:${name}`])).out.replaceAll('\t', ' '))
    assert.equal(await list(its), SORTED)
    const keys = ENTRIES.map((line) => `${line.split(' ')[0]}\n`).join('')
    for (const name of [mine, its]) assert.equal((await ours(folder, 'postmap', ['-q', '-', `sdbm:${name}`], keys)).out.replaceAll('\t', ' '), ENTRIES.map((line) => `${line}\n`).join(''))
    // Changes by the other one: deletions leave pages that are split for nothing.
    perl(mine, `foreach my $k (keys %t) { delete $t{$k} if $k =~ /[13579]@/ }`)
    const even = ENTRIES.filter((line) => !/[13579]@/.test(line)).map((line) => `${line}\n`)
    assert.equal(await list(mine), even.toSorted().join(''))
    assert.equal((await ours(folder, 'postmap', ['-d', 'user0@example0.com', `sdbm:${its}`])).status, 0)
    assert.equal((await ours(folder, 'postmap', ['-i', `sdbm:${its}`], 'new@x y\n')).status, 0)
    assert.equal(sorted(perl(its, LIST)), sorted(padded(`${ENTRIES.slice(1).join('\n')}\nnew@x y\n`, tail)))
    return undefined
  })
}

test('sdbm: postmap refuses what is too big in plain words; an empty table is one', async () => {
  using folder = workplace()
  const path = folder.write('t', `key ${'v'.repeat(1100)}\n`)
  assert.deepEqual(await ours(folder, 'postmap', [`sdbm:${path}`]), { status: 1, out: '', log: `postmap: fatal: ${path}: sdbm: a key and its value have 1008 bytes at most, these have 1105` })
  const empty = folder.write('e', '')
  assert.equal((await ours(folder, 'postmap', [`sdbm:${empty}`])).status, 0)
  assert.deepEqual(await ours(folder, 'postmap', ['-q', 'x', `sdbm:${empty}`]), { status: 1, out: '', log: '' })
  assert.match((await ours(folder, 'postmap', ['-q', 'x', `dbm:${path}`])).log, /^postmap: fatal: unsupported dictionary type: dbm/)
})
