/**
 * A system install, as an ordinary user meets it: sendmail and mailq from bundles, postdrop, postqueue and postlog
 * set-gid in one executable. See src/commands/setgid-entry.ts, src/commands/build.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, existsSync, linkSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { bundle } from '#commands/build/bundle.ts'
import { buildSingleFile } from '#commands/build/single-file.ts'
import { getgrnam, getpwnam, isRoot, type User } from '#system/users.ts'
import { createSystem, type MailSystem } from '#test/support/system.ts'

const OWNER = 'daemon'
const GROUP = 'mail'
const SET_GID_MODE = 0o2755
const SET_GID_NAMES = ['postdrop', 'postqueue', 'postlog'] as const
const MESSAGE = 'Subject: by an ordinary user\n\ntext\n'

type Result = { readonly status: number | null; readonly stdout: string; readonly stderr: string }
type RunOptions = { readonly input?: string; readonly env?: Readonly<Record<string, string>>; readonly signal?: NodeJS.Signals }

/** Everything below a folder to a user and a group. */
function giveTree(path: string, uid: number, gid: number): void {
  chownSync(path, uid, gid)
  for (const name of readdirSync(path, { recursive: true, encoding: 'utf8' })) {
    if (!lstatSync(join(path, name)).isSymbolicLink()) chownSync(join(path, name), uid, gid)
  }
}

/** Another Node.js first on the PATH: whoever starts it made a mistake. */
function wrongNode(folder: string): void {
  mkdirSync(folder)
  writeFileSync(join(folder, 'node'), '#!/bin/sh\necho wrong node >&2\nexit 99\n')
  chmodSync(join(folder, 'node'), 0o755)
}

/** The installation: bundles with a Node.js beside them, links to them in sbin/, and the set-gid executable. */
async function install(home: string, gid: number): Promise<void> {
  const sbin = join(home, 'sbin')
  mkdirSync(sbin)
  await bundle(join(home, 'opt/dist'))
  mkdirSync(join(home, 'opt/node/bin'), { recursive: true })
  copyFileSync(process.execPath, join(home, 'opt/node/bin/node'))
  for (const name of ['sendmail', 'mailq', 'newaliases']) symlinkSync(join(home, 'opt/dist/bin/sendmail'), join(sbin, name))
  const [first, ...others] = SET_GID_NAMES
  await buildSingleFile({ entry: 'commands/setgid-entry.ts', names: SET_GID_NAMES, out: join(sbin, first), configDirectory: join(home, 'etc') })
  chownSync(join(sbin, first), 0, gid)
  chmodSync(join(sbin, first), SET_GID_MODE)
  for (const name of others) linkSync(join(sbin, first), join(sbin, name))
  wrongNode(join(home, 'wrong'))
}

/** Runs an installed command as a user without rights, from another directory. */
function runAs(system: MailSystem, user: User, name: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const env = { PATH: `${system.home}/wrong:${system.home}/sbin:/usr/bin:/bin`, ...options.env }
  const child = spawn(name, args, { cwd: '/', uid: user.uid, gid: user.gid, env, stdio: ['pipe', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => undefined)
  const { signal } = options
  if (signal === undefined) child.stdin.end(options.input ?? '')
  // Its first output says that it runs.
  else child.stdout.once('data', () => { child.kill(signal); child.stdin.end() })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (status) => resolve({ status, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }))
  })
}

function listedIds(listing: string): string[] {
  return [...listing.matchAll(/^([0-9A-F]{6,})[*!]? /gm)].map(([, id = '']) => id)
}

function unauthorized({ etc }: MailSystem, name: string, folder: string): string {
  return `${name}: error: unauthorized configuration directory name: ${folder}\n${name}: fatal: specify `
    + `"alternate_config_directories = ${folder}" or "multi_instance_directories = ${folder}" in ${etc}/main.cf\n`
}

test('an ordinary user of a system install', async (t) => {
  const [owner, group, user] = [getpwnam(OWNER), getgrnam(GROUP), getpwnam('nobody')]
  if (!isRoot()) return t.skip('set-gid commands need root to be installed')
  if (!owner || !group || !user) return t.skip(`no users ${OWNER} and nobody with a group ${GROUP} here`)
  await using system = await createSystem({
    main: { mail_owner: OWNER, setgid_group: GROUP, command_directory: '@HOME@/sbin', virtual_mailbox_maps: 'static:box/', maillog_file_permissions: '0600' },
    master: ['postlog unix-dgram n - n - 1 postlogd'],
  })
  for (const folder of ['spool', 'data']) giveTree(join(system.home, folder), owner.uid, owner.gid)
  for (const folder of ['maildrop', 'public']) chownSync(join(system.spool, folder), owner.uid, group.gid)
  await install(system.home, group.gid)
  const run = (name: string, args: readonly string[], options?: RunOptions): Promise<Result> => runAs(system, user, name, args, options)
  const MAIL_CONFIG = system.etc
  if ((await run('postlog', ['-p', 'bad'])).status === 126) return t.skip('set-gid programs do not run from the temporary folder')

  await t.test('sendmail queues while the mail system is down, and the user cannot read what he queued', async () => {
    assert.deepEqual(await run('sendmail', ['-C', system.etc, 'bob@example.org'], { input: MESSAGE }), {
      status: 0, stdout: '', stderr: 'postdrop: warning: unable to look up public/pickup: No such file or directory\n',
    })
    const [id = ''] = system.queue('maildrop')
    assert.equal(lstatSync(join(system.spool, 'maildrop', id)).uid, user.uid)
    for (const path of ['maildrop', 'incoming', 'public']) {
      assert.notEqual((await run('/bin/ls', [join(system.spool, path)])).status, 0, path)
    }
    assert.notEqual((await run('/bin/sh', ['-c', `echo x > ${system.spool}/maildrop/ABCDEF`])).status, 0)
  })

  await t.test('a configuration that the default one does not name is refused', async () => {
    for (const [name, status] of [['postdrop', 1], ['postqueue', 69], ['postlog', 1]] as const) {
      const args = name === 'postqueue' ? ['-p'] : []
      const tag = name === 'postlog' ? 'postfix/postlog' : name
      assert.deepEqual(await run(name, ['-c', '/etc', ...args]), { status, stdout: '', stderr: unauthorized(system, tag, '/etc') })
      assert.deepEqual(await run(name, args, { env: { MAIL_CONFIG: '/tmp' } }), { status, stdout: '', stderr: unauthorized(system, tag, '/tmp') })
    }
  })

  await t.test('the environment of the caller does not count', async () => {
    const touched = join('/tmp', `posthorn-touched-${process.pid}`)
    const env = {
      NODE_OPTIONS: '--require=/nonexistent/code.js', NODE_PATH: '/tmp', NODE_V8_COVERAGE: touched, NODE_COMPILE_CACHE: touched,
      NODE_REDIRECT_WARNINGS: `${touched}/warnings`, LD_PRELOAD: '/nonexistent.so', NODE_REPORT_DIRECTORY: touched,
    }
    const { status, stderr } = await run('postqueue', ['-f'], { env })
    assert.deepEqual([status, stderr.includes('nonexistent')], [69, false], stderr)
    const sent = await run('sendmail', ['-C', system.etc, 'bob@example.org'], { env: { ...env, LD_PRELOAD: '' }, input: MESSAGE })
    assert.equal(sent.status, 0, sent.stderr)
    assert.equal(existsSync(touched), false)
  })

  await t.test('a signal of the caller opens no debugger', async () => {
    const before = system.queue('maildrop')
    const { status, stderr } = await run('postdrop', ['-r'], { signal: 'SIGUSR1' })
    assert.deepEqual([status, stderr], [0, ''])
    assert.deepEqual(system.queue('maildrop').toSorted(), before.toSorted())
  })

  await system.start()

  await t.test('mailq lists, postlog logs, and mail arrives', async () => {
    await system.waitForLines(/qmgr.*: removed/, 2)
    assert.equal(system.maildir('box').length, 2)
    assert.match(await system.waitForLog(/pickup.*uid=/), new RegExp(`uid=${user.uid} from=<${user.name}>`))
    const env = { MAIL_CONFIG }
    assert.deepEqual(await run('mailq', [], { env }), { status: 0, stdout: 'Mail queue is empty\n', stderr: '' })
    const queued = await run('sendmail', ['nobody@example.net'], { env, input: MESSAGE })
    assert.deepEqual(queued, { status: 0, stdout: '', stderr: '' })
    await system.waitForLog(/to=<nobody@example.net>.*status=deferred/)
    const listing = await run('mailq', [], { env })
    assert.equal(listedIds(listing.stdout).length, 1, listing.stdout + listing.stderr)
    assert.equal((await run('sendmail', ['-bp'], { env })).stdout, listing.stdout)
    assert.equal((await run('postlog', ['-t', 'by-hand', 'a', 'line'], { env })).status, 0)
    await system.waitForLog(/^by-hand\[\d+\]: a line$/)
  })

  await t.test('a user who may not list or submit is refused', async () => {
    writeFileSync(join(system.etc, 'main.cf'), '\nauthorized_mailq_users = root\nauthorized_submit_users = !nobody, static:all\n', { flag: 'a' })
    const env = { MAIL_CONFIG }
    const refused = `User nobody(${user.uid}) is not allowed to`
    assert.deepEqual(await run('mailq', [], { env }), { status: 69, stdout: '', stderr: `postqueue: fatal: ${refused} view the mail queue\n` })
    assert.deepEqual(await run('sendmail', ['a@b'], { env, input: MESSAGE }), { status: 75, stdout: '', stderr: `sendmail: fatal: ${refused} submit mail\n` })
    const { status, stderr } = await run('postdrop', [], { env })
    assert.deepEqual([status, stderr], [1, `postdrop: fatal: ${refused} submit mail\n`])
  })
})
