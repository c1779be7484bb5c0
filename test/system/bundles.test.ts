/** What `npm run build` makes runs from anywhere: see src/commands/build. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, globSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { bundle } from '#commands/build/bundle.ts'
import { NODE_FLAGS } from '#commands/build/program.ts'
import { testOwner } from '#test/support/owner.ts'

/** Names that are modes of sendmail, and what they print on an empty queue and without aliases. */
const OTHER_NAMES = [['mailq', 'Mail queue is empty\n'], ['newaliases', '']] as const

test('bundles run through links, from another directory, and with the pinned Node.js', async (t) => {
  const top = mkdtempSync(join(tmpdir(), 'posthorn-bundles-'))
  t.after(() => rmSync(top, { recursive: true }))
  const dist = join(top, 'opt/dist')
  await bundle(dist)
  mkdirSync(join(top, 'opt/node/bin'), { recursive: true })
  symlinkSync(process.execPath, join(top, 'opt/node/bin/node'))
  const owner = testOwner()
  for (const folder of ['etc', 'sbin', 'wrong', 'queue', 'queue/incoming']) mkdirSync(join(top, folder))
  chmodSync(top, 0o755)
  for (const folder of ['queue', 'queue/incoming']) chownSync(join(top, folder), owner.uid, owner.gid)
  writeFileSync(join(top, 'etc/main.cf'), `queue_directory = ${top}/queue\nmail_owner = ${owner.name}\nsetgid_group = ${owner.group}\ndefault_privs = ${owner.name}\nalias_database =\ncompatibility_level = 3.11\n`
    + `maillog_file = ${top}/log\nmaillog_file_prefixes = ${top}\n`)
  writeFileSync(join(top, 'wrong/node'), '#!/bin/sh\necho wrong node >&2\nexit 99\n')
  chmodSync(join(top, 'wrong/node'), 0o755)
  const env = { PATH: `${top}/wrong:${top}/sbin:/usr/bin:/bin`, MAIL_CONFIG: join(top, 'etc') }
  const run = (name: string, args: readonly string[]): { status: number | null; stdout: string; stderr: string } => {
    const { status, stdout, stderr } = spawnSync(name, args, { cwd: '/', env: { ...env, NODE_OPTIONS: '--require=/nonexistent.js' }, input: '', encoding: 'utf8' })
    return { status, stdout, stderr }
  }
  const commands = readdirSync(join(dist, 'bin'))
  for (const name of commands) symlinkSync(join('../opt/dist/bin', name), join(top, 'sbin', name))

  await t.test('every command of src/commands is there, and knows its options', () => {
    assert.deepEqual(commands.toSorted(), globSync('src/commands/*/main.ts').map((file) => resolve(file, '..').split('/').at(-1) ?? '').toSorted())
    for (const name of commands.filter((each) => each !== 'posthorn-passwd')) {
      const { status, stderr } = run(name, ['-\u0001'])
      assert.ok(status !== 99 && status !== 0, `${name}: ${status} ${stderr}`)
      assert.doesNotMatch(stderr, /\n\s+at |Cannot find|wrong node|nonexistent/, name)
    }
  })

  await t.test('every command has what V8 compiled at its rehearsal, in a form that this Node.js takes', () => {
    for (const name of commands) {
      const check = `const { Script } = require('node:vm'), { readFileSync } = require('node:fs'), folder = process.argv[1]
        const cachedData = readFileSync(folder + '/program.cache')
        process.exit(new Script(readFileSync(folder + '/program.js', 'latin1'), { cachedData }).cachedDataRejected ? 1 : 0)`
      const { status, stderr } = spawnSync(process.execPath, [...NODE_FLAGS, '-e', check, join(dist, 'commands', name)], { encoding: 'utf8' })
      assert.deepEqual([status, stderr], [0, ''], name)
    }
  })

  await t.test('a name that is a mode of sendmail works as a link to it', () => {
    for (const [name, output] of OTHER_NAMES) {
      rmSync(join(top, 'sbin', name))
      symlinkSync('sendmail', join(top, 'sbin', name))
      assert.deepEqual([run(name, []).status, run(name, []).stdout], [0, output], name)
    }
  })

  await t.test('daemons load, and say what is missing when nobody but a test starts them', async () => {
    const daemons = globSync('**/main.js', { cwd: dist }).filter((path) => !path.startsWith('commands/') && !path.startsWith('master/'))
    assert.ok(daemons.length > 10)
    // Each rests a second after its fatal error.
    await Promise.all(daemons.map(async (file) => {
      const child = spawn(process.execPath, [join(dist, file), '--no-such-option'], { cwd: '/', env, stdio: ['ignore', 'ignore', 'pipe'] })
      let said = ''
      child.stderr.on('data', (chunk: Buffer) => { said += chunk.toString() })
      const status = await new Promise((done) => child.on('close', done))
      assert.notEqual(status, 0, file)
      assert.doesNotMatch(said, /Cannot find (?:module|package)|is not defined|SyntaxError/, file)
    }))
  })
})
