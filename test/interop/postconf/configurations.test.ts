/** What postconf shows of whole configurations of sites, beside the real one, option by option. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { siteFiles, siteNames } from '#test/support/postconf.ts'
import { judgeFile } from '#test/support/real-postfix.ts'
import { compareAll } from './judge.ts'

const LINES = [
  '', '-d', '-n', '-nf', '-x', '-nx', '-f', '-p', '-pn', '-nh', '-H', '-nH', '-j', '-nj', '-C builtin -n', '-C service',
  '-C user', '-C all', '-C all -x', '-q -n', '-M', '-Mf', '-xM', '-Mj', '-F', '-xF', '-hF', '-HF', '-jF', '-P', '-xP', '-hP', '-HP',
  '-jP', '-fP', '-dC service', '-F */unix/command', '-M smtp/*', '-P */inet', '-PP smtp/inet',
] as const

for (const name of siteNames()) {
  test(`postconf shows ${name} as the real one does`, async (t) => compareAll(t, siteFiles(name), LINES))
}

test('postconf shows an empty configuration as the real one does', async (t) => {
  await compareAll(t, { 'main.cf': '', 'master.cf': '' }, LINES)
})

test("postconf shows Debian's files as the real one does", async (t) => {
  const shipped = judgeFile('root/usr/share/postfix')
  if (!existsSync(shipped)) return t.skip('no real Postfix 3.11 here: its configuration files are missing')
  const read = (name: string) => readFileSync(join(shipped, name), 'latin1')
  const master = read('master.cf.dist')
  await compareAll(t, { 'main.cf': read('main.cf.debian') + read('main.cf.tls'), 'master.cf': master }, LINES)
  await compareAll(t, { 'main.cf': read('main.cf.dist'), 'master.cf': master }, ['-n', '-x', '-M'])
  await compareAll(t, { 'main.cf': read('main.cf.proto'), 'master.cf': read('master.cf.proto') }, ['-n', '-x', '-M'])
})
