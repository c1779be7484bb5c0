/** Every option of postmap and postalias, and what they say, against those of real Postfix 3.11. */
import assert from 'node:assert/strict'
import { utimesSync } from 'node:fs'
import { test } from 'node:test'
import { JUDGE, ours, theirs, workplace, type Result } from '#test/support/postmap.ts'
import type { TableFolder } from '#test/support/tables.ts'

const SOURCE = 'a b\nFoo  Bar baz\nlonely\ndup 1\ndup 2\nk: v\n"x y"@z q\n  continued\n\nÄrger big\nlatin\\ key value\n  # comment\nbad" x\n'
const MESSAGE = 'Subject: Hello\nX-Foo: a\n  b c\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=xx\n\npreamble\n--xx\nX-Part: p\n\nbody line\n--xx\nContent-Type: message/rfc822\n\nSubject: inner\n\ninner body\n--xx--\n'
const ALIASES = 'root: me, "Foo Bar" <a@b>, |"cmd x"\n"a b": x\nFoo.Bar: Y\nnocolon\nx@y: z\nempty:\nroot: dup\n: nokey\na:b\nlist: a@b; c@d\n indented\nbad: "unbal\n'

type Step = readonly [program: 'postmap' | 'postalias', argv: readonly string[], input?: string]

/** Steps in one folder, `$DIR`, each after the other. */
const STORIES: Readonly<Record<string, readonly Step[]>> = {
  'build, list, query': [
    ['postmap', ['lmdb:$DIR/t']], ['postmap', ['-s', 'lmdb:$DIR/t']], ['postmap', ['-js', 'lmdb:$DIR/t']], ['postmap', ['-q', 'FOO', 'lmdb:$DIR/t']], ['postmap', ['-jq', 'Foo', 'lmdb:$DIR/t']],
    ['postmap', ['-q', '-', 'lmdb:$DIR/t'], 'a\nFOO\nnone\nDup'], ['postmap', ['-jq', '-', 'lmdb:$DIR/t'], 'a\nFOO\n'], ['postmap', ['-q', '-', 'static:x', 'lmdb:$DIR/t'], 'a\n\nb\n'], ['postmap', ['-q', '-', 'lmdb:$DIR/t'], ''],
    ['postmap', ['-fq', 'FOO', 'lmdb:$DIR/t']], ['postmap', ['-q', 'a', 'inline:{x=y}', 'lmdb:$DIR/t']], ['postmap', ['$DIR/t']],
  ],
  'cdb': [['postmap', ['cdb:$DIR/t']], ['postmap', ['-q', '-', 'cdb:$DIR/t'], 'a\nFOO\nnone\n'], ['postmap', ['-s', 'cdb:$DIR/t']], ['postmap', ['-d', 'a', 'cdb:$DIR/t']], ['postmap', ['-i', 'cdb:$DIR/t'], 'x y\n']],
  'hash': [['postmap', ['hash:$DIR/t']], ['postmap', ['-q', '-', 'hash:$DIR/t'], 'a\nFOO\nnone\n'], ['postmap', ['-d', 'FOO', 'hash:$DIR/t']], ['postmap', ['-d', 'FOO', 'hash:$DIR/t']], ['postmap', ['-i', 'hash:$DIR/t'], 'a new\nx y\n']],
  'btree': [['postmap', ['btree:$DIR/t']], ['postmap', ['-s', 'btree:$DIR/t']], ['postmap', ['-wi', 'btree:$DIR/t'], 'a new\nx y\n'], ['postmap', ['-s', 'btree:$DIR/t']]],
  'case': [['postmap', ['-f', 'lmdb:$DIR/t']], ['postmap', ['-s', 'lmdb:$DIR/t']], ['postmap', ['-q', 'Foo', 'lmdb:$DIR/t']], ['postmap', ['-fq', 'Foo', 'lmdb:$DIR/t']], ['postmap', ['-fd', 'Foo', 'lmdb:$DIR/t']], ['postmap', ['-fs', 'lmdb:$DIR/t']]],
  'NUL': [
    ['postmap', ['-n', 'hash:$DIR/t']], ['postmap', ['-nq', 'a', 'hash:$DIR/t']], ['postmap', ['-Nq', 'a', 'hash:$DIR/t']], ['postmap', ['-q', 'a', 'hash:$DIR/t']],
    ['postmap', ['-N', 'hash:$DIR/t']], ['postmap', ['-nq', 'a', 'hash:$DIR/t']], ['postmap', ['-Nq', 'a', 'hash:$DIR/t']], ['postmap', ['-q', 'a', 'hash:$DIR/t']],
  ],
  'duplicates': [
    ['postmap', ['lmdb:$DIR/t']], ['postmap', ['-i', 'lmdb:$DIR/t'], 'a other\nnew x\nlonely\n'], ['postmap', ['-wi', 'lmdb:$DIR/t'], 'a third\n'], ['postmap', ['-q', 'a', 'lmdb:$DIR/t']],
    ['postmap', ['-ri', 'lmdb:$DIR/t'], 'a fourth\n'], ['postmap', ['-q', 'a', 'lmdb:$DIR/t']], ['postmap', ['-r', 'lmdb:$DIR/t']], ['postmap', ['-q', 'dup', 'lmdb:$DIR/t']], ['postmap', ['-w', 'lmdb:$DIR/t']], ['postmap', ['-q', 'dup', 'lmdb:$DIR/t']],
  ],
  'deletion': [
    ['postmap', ['lmdb:$DIR/t']], ['postmap', ['-d', 'A', 'lmdb:$DIR/t']], ['postmap', ['-d', 'A', 'lmdb:$DIR/t']], ['postmap', ['-d', '-', 'lmdb:$DIR/t'], 'none\nFOO\n'], ['postmap', ['-d', '-', 'lmdb:$DIR/t'], 'none\n'], ['postmap', ['-s', 'lmdb:$DIR/t']],
    ['postmap', ['-d', 'x', 'static:y']], ['postmap', ['-d', 'x', 'texthash:$DIR/t']], ['postmap', ['-d', 'x', 'inline:{x=y}']], ['postmap', ['-d', 'x', 'fail:y']], ['postmap', ['-d', 'x', 'internal:y']], ['postmap', ['-d', 'x', 'cidr:$DIR/t']],
    ['postmap', ['-d', 'k:', 'debug:lmdb:$DIR/t']], ['postmap', ['-d', 'k:', 'debug:lmdb:$DIR/t']],
  ],
  'updates of what keeps nothing': ['static:y', 'fail:y', 'internal:y', 'environ:y', 'texthash:$DIR/t', 'inline:{x=y}', 'cidr:$DIR/t', 'randmap:{x}', 'tcp:localhost:1'].flatMap((spec): Step[] => [
    ['postmap', ['-i', spec], 'a b\n'], ['postmap', ['-i', spec], ''], ['postalias', ['-i', spec], 'a: b\n'],
  ]),
  'SMTPUTF8': [
    ['postmap', ['-u', 'lmdb:$DIR/t']], ['postmap', ['-us', 'lmdb:$DIR/t']], ['postmap', ['-U', 'lmdb:$DIR/t']], ['postmap', ['-s', 'lmdb:$DIR/t']], ['postmap', ['-q', 'ÄRGER', 'lmdb:$DIR/t']], ['postmap', ['-uq', 'ÄRGER', 'lmdb:$DIR/t']],
  ],
  'files': [
    ['postmap', ['-F', 'lmdb:$DIR/f']], ['postmap', ['-s', 'lmdb:$DIR/f']], ['postmap', ['-q', 'one', 'lmdb:$DIR/f']], ['postmap', ['-Fq', 'one', 'lmdb:$DIR/f']], ['postmap', ['-Fq', 'two', 'lmdb:$DIR/f']], ['postmap', ['-Fq', '-', 'lmdb:$DIR/f'], 'one\n'],
    ['postmap', ['-Fq', 'x', 'inline:{x=$DIR/content}']], ['postmap', ['-Fq', 'one', 'texthash:$DIR/f']],
  ],
  'messages': [
    ...['-h', '-b', '-hb', '-hm', '-bm', '-hbm'].map((letters): Step => ['postmap', [`${letters}q`, '-', 'static:!'], MESSAGE]), ['postmap', ['-mq', '-', 'static:!'], 'x\n'],
    ['postmap', ['-hq', '-', 'regexp:{{/^X-Foo/ REJECT}}'], MESSAGE], ['postmap', ['-hq', 'x', 'static:!']], ['postmap', ['-b', 'lmdb:$DIR/t']],
  ],
  'lists': [['postmap', ['-s', 'static:x']], ['postmap', ['-s', 'internal:x']], ['postmap', ['-s', 'fail:x']], ['postmap', ['-s', 'regexp:{{/x/ y}}']], ['postmap', ['-s', 'debug:inline:{a=b}']], ['postmap', ['-s']], ['postmap', ['-s', 'environ:x']]],
  'refusals': [
    ['postmap', []], ['postmap', ['-z']], ['postmap', ['-q']], ['postmap', ['-q', 'a', '-s', 'lmdb:x']], ['postmap', ['-id', 'x', 'lmdb:$DIR/t']], ['postmap', ['-q', 'a']], ['postmap', ['lmdb:$DIR/none']],
    ['postmap', ['static:$DIR/t']], ['postmap', ['regexp:$DIR/t']], ['postmap', ['proxy:lmdb:$DIR/t']], ['postmap', ['lmdb:$DIR/none/t']], ['postalias', ['-z']], ['postalias', []], ['postmap', ['-q', 'a', 'x']],
  ],
  'aliases': [
    ['postalias', ['lmdb:$DIR/al']], ['postalias', ['-s', 'lmdb:$DIR/al']], ['postalias', ['-q', 'ROOT', 'lmdb:$DIR/al']], ['postalias', ['-q', '-', 'lmdb:$DIR/al'], 'root\na b\nnone\n'], ['postalias', ['-jq', 'root', 'lmdb:$DIR/al']],
    ['postalias', ['-d', 'root', 'lmdb:$DIR/al']], ['postalias', ['-i', 'lmdb:$DIR/al'], 'new: one\nnew: two\nbad\n'], ['postalias', ['-s', 'lmdb:$DIR/al']], ['postalias', ['-f', 'lmdb:$DIR/al']], ['postalias', ['-q', 'Foo.Bar', 'lmdb:$DIR/al']],
  ],
}

function place(): TableFolder {
  const folder = workplace()
  folder.write('main.cf', 'compatibility_level = 3.11\ndefault_database_type = lmdb\nmyhostname = host.example.com\n')
  folder.write('content', 'line one\nline two\n')
  const old = new Date(2020, 1, 1)
  for (const [name, text] of [['t', SOURCE], ['al', ALIASES], ['f', `one ${folder.path}/content\nmissing /no/file\ntwo ${folder.path}/content, ${folder.path}/content\n`]] as const) utimesSync(folder.write(name, text), old, old)
  return folder
}

/** Both sides in one form: no folder, no time; walks in one order. */
function comparable({ status, out, log }: Result, folder: TableFolder, step: Step): unknown {
  const neutral = (text: string): string => text.replaceAll(folder.path, 'DIR').replaceAll(/(?<=YP_LAST_MODIFIED\W+)\d{10}/g, 'TIME')
  const lines = neutral(out).split('\n')
  return { status, out: step[1].some((word) => /^-j?u?f?s/.test(word)) ? lines.toSorted() : lines, log: neutral(log).trim().split('\n').filter((line) => !/^postmap: .*sequence:/.test(line)) }
}

for (const [title, steps] of Object.entries(STORIES)) {
  test(`postmap, postalias: ${title}: output, exit status and log of Postfix 3.11`, async (t) => {
    if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
    using real = place()
    using mine = place()
    for (const step of steps) {
      const [program, argv, input = ''] = step
      const at = (folder: TableFolder): string[] => argv.map((word) => word.replaceAll('$DIR', folder.path))
      const expected = comparable(await theirs(JUDGE, real, program, at(real), input), real, step)
      assert.deepEqual(comparable(await ours(mine, program, at(mine), input), mine, step), expected, `${program} ${argv.join(' ')}`)
    }
    return undefined
  })
}
