/**
 * Making a queue file durable: after `commit()` the message may be acknowledged.
 *
 * The execute bit says that the file is a whole message. With a sync of each file it goes to stable storage with the file
 * and the directory with its name; messages that commit at the same time share the sync of the directory. With the
 * journal it is set when the message is durable there, so that a crash before leaves nothing that would be delivered.
 * A file whose sync failed is deleted: what the system kept of it is unknown.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { files, O_DIRECTORY, O_RDONLY } from '#system/files.ts'
import { journalOf, type JournalWriter } from './journal/writer.ts'
import { foldersAbove, type Spool } from './spool.ts'
import type { QueueFile } from './write.ts'

/** Takes finished queue files to stable storage. */
export type Committer = {
  /**
   * Resolves when the message is durable; the file is then closed.
   *
   * @throws {NodeJS.ErrnoException} ENOSPC, EIO and kin; the file is then closed and deleted.
   */
  commit(file: QueueFile): Promise<void>
  /** Closes what is kept open, and leaves nothing for recovery. No commit may be at work. */
  close(): Promise<void>
}

/** Directories kept open; hashed queues have many. */
const OPEN_DIRECTORIES_MAX = 64

/** One directory: at most one sync runs, at most one waits and takes all that come meanwhile. */
class SharedSync {
  readonly #path: string
  #fd: number | undefined
  #running: Promise<void> | undefined
  #waiting: Promise<void> | undefined

  constructor(path: string) {
    this.#path = path
  }

  get idle(): boolean {
    return this.#running === undefined
  }

  /** Resolves after a sync that started no earlier than this call. */
  sync(): Promise<void> {
    if (!this.#running) return this.#start()
    this.#waiting ??= this.#afterRunning(this.#running)
    return this.#waiting
  }

  close(): void {
    if (this.#fd !== undefined) files.close(this.#fd)
    this.#fd = undefined
  }

  async #afterRunning(running: Promise<void>): Promise<void> {
    await running.catch(() => { /* whoever started it has the error; this is another attempt */ })
    this.#waiting = undefined
    await this.#start()
  }

  #start(): Promise<void> {
    const run = this.#run()
    this.#running = run
    return run
  }

  async #run(): Promise<void> {
    try {
      this.#fd ??= files.open(this.#path, O_RDONLY | O_DIRECTORY)
      await files.fsync(this.#fd)
    } catch (error) {
      // Linux reports a failed write-back once per descriptor: the next attempt takes a fresh one.
      this.close()
      throw error
    } finally {
      this.#running = undefined
    }
  }
}

/** Commits by fsync, as Postfix does, plus the directory. */
class FsyncCommitter implements Committer {
  readonly #directories = new Map<string, SharedSync>()

  async commit(file: QueueFile): Promise<void> {
    try {
      file.seal()
      const folders = foldersAbove(file.spool, file.path).map(async (path) => this.#directory(path).sync())
      await settled([files.fsync(file.fd), ...folders])
    } catch (error) {
      discard(file)
      throw error
    }
    file.close()
  }

  close(): Promise<void> {
    for (const directory of this.#directories.values()) directory.close()
    this.#directories.clear()
    return Promise.resolve()
  }

  #directory(path: string): SharedSync {
    const known = this.#directories.get(path)
    if (known) return known
    if (this.#directories.size >= OPEN_DIRECTORIES_MAX) this.#forgetIdle()
    const directory = new SharedSync(path)
    this.#directories.set(path, directory)
    return directory
  }

  #forgetIdle(): void {
    for (const [path, directory] of this.#directories) {
      if (!directory.idle) continue
      directory.close()
      this.#directories.delete(path)
    }
  }
}

/** Waits for all, also when one fails: a descriptor must not be closed while a sync uses it. */
async function settled(all: Promise<void>[]): Promise<void> {
  const results = await Promise.allSettled(all)
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
  }
}

/** Gets rid of a file that failed; the first error is the one to report. */
function discard(file: QueueFile): void {
  try {
    file.remove()
  } catch {
    // Without its execute bit or not, the caller hears of the failure and does not acknowledge.
  }
}

/**
 * Commits by an entry in the intake journal: one sync for all that ends meanwhile, and none of the file itself, which
 * most mail does not live to see. What is too large, or written by no daemon (maildrop), is synced as a file.
 */
class JournalCommitter implements Committer {
  readonly #journal: JournalWriter
  readonly #fallback = new FsyncCommitter()

  constructor(journal: JournalWriter) {
    this.#journal = journal
  }

  async commit(file: QueueFile): Promise<void> {
    const bytes = file.queue === 'maildrop' ? undefined : file.collected()
    if (!bytes) return this.#fallback.commit(file)
    try {
      file.flush()
      const queue = file.queue === 'hold' ? 'hold' : 'incoming'
      await this.#journal.append({ kind: 'message', id: file.id, queue, seconds: file.seconds, bytes })
      // Not before: a crash must bring nothing back that was refused meanwhile.
      file.seal()
    } catch (error) {
      discard(file)
      this.#journal.done(file.id, file.seconds)
      throw error
    }
    file.close()
  }

  async close(): Promise<void> {
    await this.#fallback.close()
    await this.#journal.close()
  }
}

/**
 * The committer of a configuration.
 *
 * @throws {Error} When queue_commit is neither `journal` nor `fsync`.
 */
export function openCommitter(spool: Spool, config: Config): Committer {
  const way = config.str('queue_commit')
  if (way === 'fsync') return new FsyncCommitter()
  if (way === 'journal') return new JournalCommitter(journalOf(spool))
  throw new Error(`bad string value "${way}" for parameter queue_commit: expected journal or fsync`)
}
