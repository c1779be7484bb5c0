/**
 * Power cuts at every moment of the life of some messages: what was acknowledged is there and whole after recovery, what is
 * on record as removed is not, and no segment stays.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openCommitter } from '#queue/commit.ts'
import { segmentPaths } from '#queue/journal/folder.ts'
import { prepareJournal, recoverJournal } from '#queue/journal/recover.ts'
import { locate } from '#queue/journal/survivors.ts'
import { JournalWriter } from '#queue/journal/writer.ts'
import { moveFile, queuePath, type QueueId, type QueueName, type Spool } from '#queue/spool.ts'
import { createQueueFile } from '#queue/write.ts'
import { files, nodeFileSystem, substituteFiles } from '#system/files.ts'
import { UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'
import { randomFrom } from '#test/fuzz/mutate.ts'
import { captureLog } from '#test/support/log.ts'
import { clear, Recorder, restart, type Random } from '#test/support/power-cut.ts'

const SEEDS = [1, 2, 3, 4]
const STEPS = 24
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved']
const SMALL_BYTES_MAX = 3000
const LARGE_BYTES = 70_000
/** Longer than any segment is written to. */
const SEGMENT_AGE_MS = 60_001
const me = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }

/** A message, and the numbers of the changes after which the world knows of its acknowledgment, removal and record of it. */
type Message = {
  readonly id: QueueId
  readonly bytes: Buffer
  acknowledged: number
  removed: number
  recorded: number
  /** It outlived its segment: to the journal it is a file like that of any other mail system. */
  outlived: boolean
}

function spoolAt(path: string): Spool {
  return { path, hashNames: new Set(['deferred']), hashDepth: 2, longIds: false }
}

/** Receivers and a queue manager at work. */
class Life {
  readonly recorder: Recorder
  readonly messages: Message[] = []
  readonly #spool: Spool
  readonly #random: Random
  readonly #committer: ReturnType<typeof openCommitter>
  readonly #manager: JournalWriter

  constructor(root: string, random: Random) {
    this.#spool = spoolAt(root)
    this.#random = random
    this.recorder = new Recorder(root)
    this.#committer = openCommitter(this.#spool, configFrom({ queue_commit: 'journal' }))
    this.#manager = new JournalWriter(this.#spool)
  }

  async run(): Promise<void> {
    using recording = this.recorder.start()
    prepareJournal(this.#spool, me)
    for (let i = 0; i < STEPS; i += 1) await this.#step()
    await this.#committer.close()
    await this.#manager.close()
    void recording
  }

  get #now(): number {
    return this.recorder.changes.length
  }

  async #step(): Promise<void> {
    const kind = this.#random(10)
    if (kind < 3) await Promise.all(Array.from({ length: 1 + this.#random(4) }, async () => this.#receive(1 + this.#random(SMALL_BYTES_MAX))))
    else if (kind === 3) await this.#receive(LARGE_BYTES)
    else if (kind < 7) this.#move()
    else if (kind < 9) await this.#remove()
    else await this.#grow()
  }

  async #receive(size: number): Promise<void> {
    const bytes = Buffer.from(Array.from({ length: size }, () => 0x61 + this.#random(26)))
    const file = createQueueFile(this.#spool, 'incoming')
    const message = { id: file.id, bytes, acknowledged: Infinity, removed: Infinity, recorded: Infinity, outlived: size >= LARGE_BYTES }
    this.messages.push(message)
    file.write(bytes)
    await this.#committer.commit(file)
    message.acknowledged = this.#now
  }

  #pick(): Message | undefined {
    const left = this.messages.filter(({ removed }) => removed === Infinity)
    return left[this.#random(left.length || 1)]
  }

  #move(): void {
    const message = this.#pick()
    const from = message && locate(this.#spool, message.id)
    if (!message || !from) return
    const ways: Readonly<Partial<Record<QueueName, readonly QueueName[]>>> = { active: ['deferred', 'hold', 'incoming'], hold: ['deferred'] }
    const to = ways[from] ?? ['active']
    moveFile(this.#spool, message.id, from, to[this.#random(to.length)] ?? 'active')
  }

  /** Half of the time qmgr waits for the record. */
  async #remove(): Promise<void> {
    const message = this.#pick()
    const queue = message && locate(this.#spool, message.id)
    if (!message || !queue) return
    if (queue !== 'active') moveFile(this.#spool, message.id, queue, 'active')
    message.removed = this.#now
    files.unlink(queuePath(this.#spool, 'active', message.id))
    if (this.#random(2) === 0) return this.#manager.done(message.id)
    await this.#manager.append({ kind: 'done', id: message.id, seconds: Math.trunc(Date.now() / 1000) })
    message.recorded = this.#now
  }

  /** Segments are put aside, settled and used again. */
  async #grow(): Promise<void> {
    for (const message of this.messages) message.outlived ||= message.removed === Infinity
    mock.timers.tick(SEGMENT_AGE_MS)
    for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve))
  }
}

/** Recovers what a cut left, and compares it with what was promised. */
async function check(root: string, messages: readonly Message[], count: number): Promise<void> {
  const spool = spoolAt(root)
  using instant = substituteFiles({ ...nodeFileSystem, pageCacheId: () => UNKNOWN_PAGE_CACHE, fsync: async () => {}, fdatasync: async () => {} })
  await recoverJournal(spool, me)
  assert.deepEqual(segmentPaths(spool), [])
  for (const { id, bytes, acknowledged, removed, recorded, outlived } of messages) {
    if (acknowledged > count) continue
    const queue = locate(spool, id)
    if (removed >= count) assert.ok(queue, `${id} was acknowledged and is lost`)
    if (recorded <= count && !outlived) assert.equal(queue, undefined, `${id} was removed and is back`)
    if (!queue || removed < count) continue
    const path = queuePath(spool, queue, id)
    assert.ok(readFileSync(path).equals(bytes), `${id} was acknowledged and is damaged`)
    assert.equal(statSync(path).mode & 0o700, 0o700, `${id} was acknowledged and is not complete`)
  }
  void instant
}

for (const seed of SEEDS) {
  test(`a power cut after any change loses nothing that was acknowledged, and brings back nothing on record (seed ${seed})`, async () => {
    using log = captureLog()
    const root = mkdtempSync(join(tmpdir(), 'posthorn-power-cut-'))
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      clear(root, QUEUES)
      const life = new Life(root, randomFrom(seed))
      await life.run()
      const random = randomFrom(seed + 1000)
      for (let count = 1; count <= life.recorder.changes.length; count += 1) {
        clear(root, QUEUES)
        restart(root, life.recorder.changes, count, random)
        try {
          await check(root, life.messages, count)
        } catch (error) {
          throw new Error(`cut after change ${count} of ${life.recorder.changes.length}: ${String(error)}`, { cause: error })
        }
      }
    } finally {
      mock.timers.reset()
      rmSync(root, { recursive: true, force: true })
    }
    void log
  })
}
