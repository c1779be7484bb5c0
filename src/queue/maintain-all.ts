/**
 * Maintenance of whole queues: removal of left-overs, repair of names and places, actions on all messages.
 *
 * A file may be at the wrong place after hash_queue_names or hash_queue_depth changed, and its name may not
 * match its inode after the queue was copied: short ids are only unique as long as it does. Renaming
 * in place could meet a name that is still in use, so such files get a suffix first, and lose it in a second pass.
 *
 * @module
 */
import { errnoText, isErrno } from '#system/errno.ts'
import { files, type DirectoryReader, type FileFacts } from '#system/files.ts'
import { log } from '#system/log.ts'
import { decodeId, isQueueId, renewId } from './id.ts'
import { expireReported, isMessageQueue, removeReported, renameReported, type Tally } from './maintain.ts'
import { removeAll } from './remove-all.ts'
import { reopenBounced } from './reopen.ts'
import { isReady, LOG_QUEUES, pathIn, queuePath, type QueueName, type Spool, type SpoolName } from './spool.ts'

/** What to do with every file of a queue. */
export type MassActions = {
  readonly deleteAll?: boolean
  readonly purge?: boolean
  readonly structure?: boolean
  /** With `structure`: long ids must match their inode too, although they never come again. */
  readonly longIdsToo?: boolean
  readonly requeueAll?: boolean
  readonly holdAll?: boolean
  readonly releaseAll?: boolean
  readonly expireAll?: boolean
}

/** Marks a name that the second pass has to complete. */
const SUFFIX = '#FIX'
/** Incomplete files are left-overs after this time. */
const PURGE_AGE_MS = 7 * 24 * 3600 * 1000

/** One directory on the way down. */
type Level = { readonly path: string; readonly reader: DirectoryReader }

/** One file on its way through the actions. */
type Candidate = { readonly queue: SpoolName; readonly name: string; readonly path: string; readonly facts: FileFacts }

/** A queue that is not there, or may not be read; Postfix's words. */
export class QueueDirectoryError extends Error {
  override readonly name = 'QueueDirectoryError'
}

/** Runs actions over whole queues. `fixed` tells whether names were changed. */
export class QueueMaintenance {
  /** Files that got a new name, which the second pass has to complete. */
  mismatches = 0
  readonly #spool: Spool
  readonly #tally: Tally
  /** Called between files; may throw to end the work. */
  readonly #pause: () => Promise<void>

  constructor(spool: Spool, tally: Tally, pause: () => Promise<void> = async () => {}) {
    this.#spool = spool
    this.#tally = tally
    this.#pause = pause
  }

  /** Whether names were changed, so that queue ids which the caller knows may be wrong. */
  get fixed(): boolean {
    return this.mismatches > 0 || this.#tally.renamed > 0
  }

  /** Treats every file of `queues`. */
  async run(queues: readonly SpoolName[], actions: MassActions): Promise<void> {
    for (const queue of queues) {
      if (log.verbose) log.info(`queue: ${queue}`)
      if (actions.deleteAll) await this.#empty(queue)
      await this.#queue(queue, actions)
    }
  }

  async #empty(queue: SpoolName): Promise<void> {
    const removed = await removeAll(this.#spool, queue, this.#pause)
    if (isMessageQueue(queue)) this.#tally.deleted += removed
  }

  async #queue(queue: SpoolName, actions: MassActions): Promise<void> {
    const depth = this.#spool.hashNames.has(queue) ? this.#spool.hashDepth : 0
    const path = pathIn(this.#spool, queue)
    const open: Level[] = [{ path, reader: openQueue(path) }]
    try {
      for (let level = open.at(-1); level; level = open.at(-1)) {
        const name = level.reader.read()
        await this.#pause()
        if (name === undefined) this.#leave(open, depth)
        else if (!(queue !== 'maildrop' && name.length === 1 && enter(open, `${level.path}/${name}`))) {
          this.#entry(queue, name, `${level.path}/${name}`, actions)
        }
      }
    } finally {
      for (const { reader } of open) reader.close()
    }
  }

  /** Goes up; hash directories below the depth in use are removed. */
  #leave(open: Level[], depth: number): void {
    const level = open.pop()
    level?.reader.close()
    if (level && open.length > depth) removeDirectory(level.path, 'directory')
  }

  #entry(queue: SpoolName, name: string, path: string, actions: MassActions): void {
    const facts = files.lstat(path)
    if (!facts) return
    if (facts.isDirectory) removeDirectory(path, 'subdirectory')
    else if (actions.deleteAll) this.#delete(queue, path, facts)
    else if (!facts.isFile || (actions.purge && isLeftOver(queue, facts))) removeReported(path)
    else this.#file({ queue, name, path, facts }, actions)
  }

  #delete(queue: SpoolName, path: string, facts: FileFacts): void {
    if (removeReported(path) && isMessageQueue(queue) && isReady(facts)) this.#tally.deleted++
  }

  #file(file: Candidate, actions: MassActions): void {
    if (actions.structure && file.name.endsWith(SUFFIX)) return this.#complete(file)
    if (!isQueueId(file.name)) return bogus(file.path)
    if (actions.structure && isMessageQueue(file.queue) && !this.#nameMatches(file, actions.longIdsToo ?? false)) return
    if (isMessageQueue(file.queue) && this.#message(file.queue, file, actions)) return
    if (!actions.structure) return
    const wanted = queuePath(this.#spool, file.queue, file.name)
    if (wanted !== file.path) renameReported(this.#spool, file.path, wanted)
  }

  /** Second pass: the name without its suffix. */
  #complete({ queue, name, path, facts }: Candidate): void {
    const id = name.slice(0, -SUFFIX.length)
    if (!isQueueId(id)) return bogus(path)
    const parts = decodeId(id)
    if (isMessageQueue(queue)) {
      if (!parts) return bogus(path)
      if (parts.inode !== hexInode(facts)) {
        log.warning(`name/inode mismatch: ${path}`)
        return
      }
    }
    const done = renameReported(this.#spool, path, queuePath(this.#spool, queue, id))
    if (done && isMessageQueue(queue)) this.#tally.renamed++
  }

  /** Whether a message has the name it should have. If not, it gets that name, with the suffix. */
  #nameMatches({ queue, name, path, facts }: Candidate, longIdsToo: boolean): boolean {
    const parts = decodeId(name)
    if (!parts) {
      bogus(path)
      return false
    }
    const tooLong = parts.long && !this.#spool.longIds
    const differs = parts.inode !== hexInode(facts) && (!parts.long || longIdsToo)
    if (!tooLong && !differs) return true
    this.#rename(queue, name, path, facts)
    return false
  }

  #rename(queue: SpoolName, name: string, path: string, facts: FileFacts): void {
    const id = renewId(name, facts.inode, this.#spool.longIds)
    if (id === undefined) return bogus(path)
    this.mismatches++
    // Logs first: a message never goes without them under its new name.
    for (const queueOfLogs of LOG_QUEUES) {
      const to = `${queuePath(this.#spool, queueOfLogs, id)}${SUFFIX}`
      renameReported(this.#spool, queuePath(this.#spool, queueOfLogs, name), to)
    }
    renameReported(this.#spool, path, `${queuePath(this.#spool, queue, id)}${SUFFIX}`)
  }

  /** Actions on all messages. `true`: the file is elsewhere now. */
  #message(queue: QueueName, { name, path, facts }: Candidate, actions: MassActions): boolean {
    if (queue === 'maildrop') return false
    const move = (to: QueueName): boolean => renameReported(this.#spool, path, queuePath(this.#spool, to, name))
    if (actions.expireAll && isReady(facts) && expireReported(path, facts.mode)) this.#tally.expired++
    if (actions.requeueAll && isQueueId(name)) reopenBounced(this.#spool, queue, name)
    if (actions.requeueAll) return counted(move('maildrop'), () => this.#tally.requeued++)
    if (actions.releaseAll && queue === 'hold') return counted(move('deferred'), () => this.#tally.released++)
    if (actions.holdAll && queue !== 'hold') return counted(move('hold'), () => this.#tally.held++)
    return false
  }
}

function counted(done: boolean, count: () => void): true {
  if (done) count()
  return true
}

function hexInode(facts: FileFacts): string {
  return facts.inode.toString(16).toUpperCase()
}

function bogus(path: string): void {
  log.warning(`bogus file name: ${path}`)
}

function isLeftOver(queue: SpoolName, facts: FileFacts): boolean {
  return isMessageQueue(queue) && !isReady(facts) && Date.now() > facts.mtimeMs + PURGE_AGE_MS
}

/** Goes into a hash directory. `false`: it is none. */
function enter(open: Level[], path: string): boolean {
  try {
    open.push({ path, reader: files.openDirectory(path) })
    return true
  } catch (error) {
    if (isErrno(error, 'ENOTDIR') || isErrno(error, 'ENOENT')) return false
    throw error
  }
}

function removeDirectory(path: string, kind: 'directory' | 'subdirectory'): void {
  try {
    files.rmdir(path)
    if (log.verbose) log.info(`remove ${kind} ${path}`)
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) log.warning(`remove ${kind} ${path}: ${errnoText(error)}`)
  }
}

function openQueue(path: string): Level['reader'] {
  try {
    return files.openDirectory(path)
  } catch (error) {
    throw new QueueDirectoryError(`scan_dir_push: open directory ${path}: ${errnoText(error)}`)
  }
}
