/**
 * Scans of maildrop: each finished file goes through cleanup, several at a time, so
 * that they share the waits for the disk.
 *
 * @module
 */
import { isQueueId, isReady, pathIn, relativePath, scanNames, syncFolder, type QueueId } from '#queue/spool.ts'
import { errnoText } from '#system/errno.ts'
import { files, type FileFacts } from '#system/files.ts'
import { log } from '#system/log.ts'
import { takeFile } from './take-file.ts'
import type { PickupTools } from './tools.ts'

/** Files in work at the same time; each holds a descriptor or two. */
const FILES_MAX = 20

/** How soon what is gone from maildrop stays gone: a crash would bring it back, and it would be taken in twice. */
const SYNC_WAIT_MS = 50

/** A second name for so long is worth a warning: some program keeps a copy. */
const LINK_WARN_MS = 60_000

/** The queue in front of the queue. */
export class Pickup {
  readonly #tools: PickupTools
  #work: Promise<void> | undefined
  #again = false
  #syncing: Promise<void> | undefined
  /** Files are gone from maildrop that the running sync may not cover. */
  #unsynced = false

  constructor(tools: PickupTools) {
    this.#tools = tools
  }

  /** Starts a scan; while one is running, another follows it. */
  scan(): void {
    this.#again = true
    this.#work ??= this.#run()
  }

  /** Resolves when no scan is running, and what was taken is durably gone. */
  async idle(): Promise<void> {
    while (this.#work !== undefined) await this.#work
    await this.#syncing
  }

  async #run(): Promise<void> {
    try {
      while (this.#again) {
        this.#again = false
        // New files may have come while others were in work.
        while ((await this.#scanOnce()) > 0);
      }
    } catch (error) {
      log.warning(`scan maildrop: ${errnoText(error)}`)
    } finally {
      this.#work = undefined
    }
  }

  /** @returns Number of files that are gone from maildrop. */
  async #scanOnce(): Promise<number> {
    let taken = 0
    const atWork = new Set<Promise<void>>()
    for (const { name, path } of scanNames(this.#tools.spool, 'maildrop')) {
      const facts = isQueueId(name) ? files.lstat(path) : undefined
      if (facts === undefined || !isQueueId(name)) continue
      if (!isMessage(relativePath(this.#tools.spool, 'maildrop', name), facts)) continue
      const work: Promise<void> = this.#take(name, path).then((gone) => {
        if (gone) {
          taken++
          this.#syncSoon()
        }
        atWork.delete(work)
      })
      atWork.add(work)
      if (atWork.size >= FILES_MAX) await Promise.race(atWork)
    }
    await Promise.all(atWork)
    return taken
  }

  /** Nobody waits for it: files that are gone in the meantime share it. */
  #syncSoon(): void {
    this.#unsynced = true
    this.#syncing ??= this.#sync().finally(() => (this.#syncing = undefined))
  }

  async #sync(): Promise<void> {
    while (this.#unsynced) {
      await new Promise((resolve) => setTimeout(resolve, SYNC_WAIT_MS))
      this.#unsynced = false
      try {
        await syncFolder(pathIn(this.#tools.spool, 'maildrop'))
      } catch (error) {
        log.warning(`sync maildrop: ${errnoText(error)}`)
      }
    }
  }

  async #take(name: QueueId, path: string): Promise<boolean> {
    try {
      return await takeFile(this.#tools, name, path)
    } catch (error) {
      log.warning(`${relativePath(this.#tools.spool, 'maildrop', name)}: ${errnoText(error)}`)
      return false
    }
  }
}

/** Whether a file is a whole message. Who puts anything else here does not get it read. */
function isMessage(shown: string, facts: FileFacts): boolean {
  if (!facts.isFile) {
    log.warning(`${shown}: uid ${facts.uid}: not a regular file`)
    return false
  }
  if (!isReady(facts)) return false
  if (facts.links > 1 && facts.mtimeMs < Date.now() - LINK_WARN_MS) log.warning(`${shown}: uid ${facts.uid}: file has ${facts.links} links`)
  return true
}
