/** The postfix command on an instance of its own: see src/commands/postfix. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { formatSuffix, RotateError } from '#commands/postfix/rotate.ts'
import { runningMaster } from '#service/instance.ts'
import { instanceFolder, until } from '#test/support/master.ts'

const ROOT = join(import.meta.dirname, '../..')
const MASTER_CF = 'echo unix - - n - - echo\npostlog unix-dgram n - n - 1 postlogd\n'
const MAIN_CF = 'import_environment = MAIL_CONFIG TZ POSTHORN_TEST_PROGRAMS\ncompatibility_level = 3.11\nsetgid_group = daemon'

type Instance = Disposable & {
  readonly folder: string
  readonly log: () => string
  readonly postfix: (...args: string[]) => Promise<number | null>
}

function instance(mainCf = MAIN_CF): Instance {
  const folder = instanceFolder(MASTER_CF, mainCf)
  const log = (): string => (existsSync(join(folder, 'log')) ? readFileSync(join(folder, 'log'), 'utf8') : '')
  const postfix = async (...args: string[]): Promise<number | null> => {
    const child = spawn(process.execPath, [join(ROOT, 'src/commands/postfix/main.ts'), '-c', join(folder, 'etc'), ...args], {
      stdio: 'ignore', env: { ...process.env, POSTHORN_TEST_PROGRAMS: join(ROOT, 'test/fixtures/programs') },
    })
    await once(child, 'exit')
    return child.exitCode
  }
  const dispose = (): void => {
    const pid = runningMaster(join(folder, 'queue'))
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  return { folder, log, postfix, [Symbol.dispose]: dispose }
}

function texts(log: string): string[] {
  return [...log.matchAll(/postfix\/postfix-script\[\d+\]: (.*)$/gm)].map(([, text = '']) => text)
}

test('postfix starts, reports, reloads and stops the mail system, in Postfix\'s words', async () => {
  using own = instance()
  assert.equal(await own.postfix('status'), 1)
  assert.equal(await own.postfix('start'), 0)
  const pid = runningMaster(join(own.folder, 'queue'))
  assert.equal(await own.postfix('status'), 0)
  assert.equal(await own.postfix('start'), 1)
  assert.equal(await own.postfix('reload'), 0)
  await until(() => own.log().includes('reload -- version'), own.log)
  assert.equal(await own.postfix('stop'), 0)
  assert.equal(runningMaster(join(own.folder, 'queue')), undefined)
  assert.equal(await own.postfix('stop'), 1)
  assert.deepEqual(texts(own.log()).filter((text) => !text.startsWith('waiting') && !text.startsWith('warning')), [
    'the Postfix mail system is not running',
    'starting the Postfix mail system',
    `the Postfix mail system is running: PID: ${pid}`,
    'fatal: the Postfix mail system is already running',
    'refreshing the Postfix mail system',
    'stopping the Postfix mail system',
    'fatal: the Postfix mail system is not running',
  ])
})

test('postfix check creates the missing directories with their modes, and tells what is wrong', async () => {
  using own = instance()
  assert.equal(await own.postfix('check'), 0)
  const mode = (name: string): number => statSync(join(own.folder, 'queue', name)).mode & 0o777
  assert.deepEqual([mode('active'), mode('maildrop'), mode('deferred')], [0o700, 0o730, 0o700])
  writeFileSync(join(own.folder, 'queue/corrupt/ABCDEF0123'), '')
  writeFileSync(join(own.folder, 'etc/foreign'), '', { mode: 0o666 })
  chmodSync(join(own.folder, 'etc/foreign'), 0o666)
  assert.equal(await own.postfix('check'), 0)
  assert.ok(texts(own.log()).includes('warning: damaged message: corrupt/ABCDEF0123'))
  assert.ok(texts(own.log()).includes(`warning: group or other writable: ${own.folder}/etc/foreign`))
})

test('postfix start refuses without master.cf, and without a log service for maillog_file', async () => {
  using own = instance()
  writeFileSync(join(own.folder, 'etc/master.cf'), 'echo unix - - n - - echo\n')
  assert.equal(await own.postfix('start'), 1)
  assert.equal(await own.postfix('upgrade-configuration'), 0)
  assert.match(readFileSync(join(own.folder, 'etc/master.cf'), 'utf8'), /^postlog\s+unix-dgram n {2}- {7}n {7}- {7}1 {7}postlogd$/m)
  assert.equal(await own.postfix('check'), 0)
  rmSync(join(own.folder, 'etc/master.cf'))
  assert.equal(await own.postfix('start'), 1)
  assert.deepEqual(texts(own.log()).filter((text) => text.startsWith('fatal')), [
    'fatal: missing \'postlog\' service in master.cf - run \'postfix upgrade-configuration\'',
    'fatal: Postfix integrity check failed!',
    `fatal: no ${own.folder}/etc/master.cf file found`,
    'fatal: Postfix integrity check failed!',
  ])
})

test('postfix start fails when master fails, and says so', async () => {
  using own = instance()
  writeFileSync(join(own.folder, 'etc/master.cf'), `${MASTER_CF}oops\n`)
  assert.equal(await own.postfix('start'), 1)
  assert.match(own.log(), /fatal: \S+master\.cf: line 3: missing "transport type" field\n/)
  assert.match(own.log(), /postfix-script\[\d+\]: fatal: /)
})

test('postfix logrotate gives the running mail system a new file and compresses the old one', async () => {
  using own = instance()
  assert.equal(await own.postfix('start'), 0)
  assert.equal(await own.postfix('logrotate'), 0)
  await until(() => own.log().includes('reload -- version'), own.log)
  const old = readdirSync(own.folder).filter((name) => /^log\.\d{8}-\d{6}\.gz$/.test(name))
  assert.equal(old.length, 1)
  assert.equal(await own.postfix('abort'), 0)
  await until(() => runningMaster(join(own.folder, 'queue')) === undefined, own.log)
  assert.match(own.log(), /aborting the Postfix mail system\n/)
})

test('postfix refuses commands that it does not know', async () => {
  using own = instance()
  assert.equal(await own.postfix('dance'), 1)
  assert.match(own.log(), /fatal: unknown command: 'dance'\. Usage: postfix start \(or stop, reload, abort, flush, check, status, /)
  assert.equal(await own.postfix('tls'), 1)
})

test('formatSuffix() knows the conversions of dates, and refuses others', () => {
  const date = new Date(2026, 10, 5, 9, 6, 8)
  assert.equal(formatSuffix('%Y%m%d-%H%M%S', date), '20261105-090608')
  assert.equal(formatSuffix('%y%%', date), '26%')
  assert.throws(() => formatSuffix('%Q', date), RotateError)
})

test('postfix start-fg stays until the mail system ends, which postfix stop and signals bring about', async () => {
  using own = instance()
  const started = own.postfix('start-fg')
  await until(() => own.log().includes('daemon started'), own.log)
  assert.equal(await own.postfix('status'), 0)
  assert.equal(await own.postfix('start-fg'), 1)
  assert.equal(await own.postfix('-v', 'stop'), 0)
  assert.equal(await started, 0)
  assert.equal(runningMaster(join(own.folder, 'queue')), undefined)
})
