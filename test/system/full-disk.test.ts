/**
 * A queue on a disk that runs full: clients are asked to come back, nothing is left half done, and mail flows again as
 * soon as there is room. Needs root, for a small tmpfs.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdirSync, renameSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { sendMail, SmtpClient } from '#test/support/smtp-client.ts'
import { assertQueuesEmpty, queueFiles, subject, submit, waitRemoved } from '#test/support/system-mail.ts'
import { createSystem, eventually, type MailSystem, type SystemOptions } from '#test/support/system.ts'

const DISK_BYTES = 12 * 1024 * 1024
const FILLER_STEP_BYTES = 4096
const TO = ['bob@example.org']

function run(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0
}

type SmallDisk = AsyncDisposable & { readonly system: MailSystem; readonly fill: () => void; readonly free: () => void }

/** A system whose queue is a small tmpfs; `undefined` where none can be mounted. */
async function startOnSmallDisk(options: SystemOptions): Promise<SmallDisk | undefined> {
  const system = await createSystem(options)
  const { spool } = system
  const original = `${spool}.original`
  renameSync(spool, original)
  mkdirSync(spool)
  if (process.getuid?.() !== 0 || !run('mount', '-t', 'tmpfs', '-o', `size=${DISK_BYTES},mode=755`, 'posthorn-test', spool)) {
    await system[Symbol.asyncDispose]()
    return undefined
  }
  const filler = join(spool, 'filler')
  const dispose = async (): Promise<void> => {
    await system.stop()
    run('umount', spool)
    await system[Symbol.asyncDispose]()
  }
  try {
    assert.ok(run('cp', '-a', `${original}/.`, spool))
    await system.start()
  } catch (error) {
    await dispose()
    throw error
  }
  return {
    system,
    fill: () => {
      try {
        for (;;) writeFileSync(filler, Buffer.alloc(FILLER_STEP_BYTES, 1), { flag: 'a' })
      } catch (error) {
        assert.equal(error instanceof Error && 'code' in error ? error.code : undefined, 'ENOSPC')
      }
    },
    free: () => rmSync(filler),
    [Symbol.asyncDispose]: dispose,
  }
}

const NEEDS = 'a full disk needs root and a tmpfs of its own'

async function withSmallDisk(
  t: TestContext, main: NonNullable<SystemOptions['main']>, work: (disk: SmallDisk) => Promise<void>,
): Promise<void> {
  await using disk = await startOnSmallDisk({ main })
  if (!disk) {
    t.skip(NEEDS)
    return
  }
  await work(disk)
}

for (const queueCommit of ['journal', 'fsync']) {
  test(`a queue without space answers 4xx, keeps nothing, and recovers (queue_commit = ${queueCommit})`, async (t) => {
    // No size limit: the check at MAIL FROM does not see that the message will not fit. Postmaster is not told, to count the rest.
    const main = { notify_classes: '', message_size_limit: '0', virtual_mailbox_limit: '0', queue_commit: queueCommit }
    await withSmallDisk(t, main, async ({ system, fill, free }) => {
      await waitRemoved(system, await submit(system, TO, { message: subject('before') }))
      fill()
      const big = `${subject('too much')}\n${'x'.repeat(70).concat('\n').repeat(60_000)}`
      for (let attempt = 0; attempt < 3; attempt++) {
        assert.match(await sendMail(system.port('smtp'), 'a@client.example', TO, big), /^45[12] 4\.3\.[01] /)
      }
      await system.waitForLog(/^postfix\/\w+\[\d+\]: (?:warning|error): .*(?:No space left|queue file write error)/)
      assert.deepEqual(queueFiles(system), [], 'nothing is left of a refused message')
      assert.deepEqual(system.maildir('box').length, 1)
      free()
      await waitRemoved(system, await submit(system, TO, { message: subject('after') }))
      assert.equal(system.maildir('box').length, 2)
      assertQueuesEmpty(system)
    })
  })

  test(`a message that waits survives a full disk (queue_commit = ${queueCommit})`, async (t) => {
    const main = {
      message_size_limit: '0', virtual_mailbox_limit: '0', queue_commit: queueCommit, defer_transports: 'virtual',
      minimal_backoff_time: '1s', maximal_backoff_time: '1s', queue_run_delay: '1s',
    }
    await withSmallDisk(t, main, async ({ system, fill, free }) => {
      const id = await submit(system, TO, { message: subject('waits') })
      await system.waitForLog(new RegExp(`${id}: to=<bob@example\\.org>.*status=deferred`))
      fill()
      const before = system.log().length
      await eventually('an attempt without space for its record', () =>
        system.log().slice(before).some((line) => line.includes(`${id}: to=<bob@example.org>`)) ? true : undefined)
      free()
      const { status } = await system.command('postqueue', ['-f'])
      assert.equal(status, 0)
      await waitRemoved(system, id)
      assert.equal(system.maildir('box').length, 1)
      await eventually('an empty queue', () => queueFiles(system).length === 0 ? true : undefined)
    })
  })
}

test('MAIL FROM is refused where a message of the size limit may not fit', async (t) => {
  await withSmallDisk(t, { message_size_limit: '10240000' }, async ({ system }) => {
    using client = await SmtpClient.open(system.port('smtp'))
    await client.command('EHLO client.example.com')
    assert.equal(await client.command('MAIL FROM:<a@client.example>'), '452 4.3.1 Insufficient system storage')
    await system.waitForLog(/: NOQUEUE: reject: MAIL from .*: 452 4\.3\.1 Insufficient system storage/)
    assert.deepEqual(readdirSync(join(system.spool, 'incoming')), [])
  })
})
