/**
 * The quick part of removing all files of a queue: an unlink takes the file system long, in one directory after the
 * other, so several directories are emptied at once.
 *
 * What is in the way, or can't be removed, is left to the caller, who looks at the queue once more and says why.
 *
 * @module
 */
import { files } from '#system/files.ts'
import { errnoCode } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { isReady, queueFolders, type Spool, type SpoolName } from './spool.ts'

/** Directories emptied at once: as many as libuv has threads. */
const LANES = 4

/**
 * Removes the files in all directories of a queue.
 *
 * @param pause Called between files; may throw to end the work.
 * @returns How many complete messages, or logs, were among them.
 */
export async function removeAll(spool: Spool, queue: SpoolName, pause: () => Promise<void>): Promise<number> {
  const folders = queueFolders(spool, queue)
  let count = 0
  const lane = async (): Promise<void> => {
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      for await (const ready of removals(folder, pause)) if (ready) count++
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: LANES }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
  return count
}

/** Removes the files of one directory; yields for each whether it was complete. */
async function* removals(folder: string, pause: () => Promise<void>): AsyncGenerator<boolean, void> {
  const reader = files.openDirectory(folder)
  try {
    for (let name = reader.read(); name !== undefined; name = reader.read()) {
      await pause()
      const path = `${folder}/${name}`
      const facts = files.lstat(path)
      if (facts && !facts.isDirectory && await removed(path)) yield isReady(facts)
    }
  } finally {
    reader.close()
  }
}

async function removed(path: string): Promise<boolean> {
  try {
    const done = await files.unlinkAsync(path)
    if (done && log.verbose) log.info(`removed file ${path}`)
    return done
  } catch (error) {
    if (errnoCode(error) !== undefined) return false
    throw error
  }
}
