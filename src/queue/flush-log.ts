/**
 * Lists of the flush service: for one destination, the messages that wait for it.
 *
 * A list is a file of queue ids, one a line, that only grows until it is served; then it is emptied.
 * A crash before that leaves ids that were served: serving them again is harmless.
 *
 * @module
 */
import { isErrno, errnoText } from '#system/errno.ts'
import { files, O_APPEND, O_CREAT, O_RDWR, O_WRONLY } from '#system/files.ts'
import { log } from '#system/log.ts'
import { asciiLower } from '#util/ascii.ts'
import { isQueueId, type QueueId } from './id.ts'
import { readLines } from './lines.ts'
import { queuePath, renameInSpool, scanNames, withParents, type Spool } from './spool.ts'

const LIST_MODE = 0o600
const ALL_MODES = 0o7777
/** Asks the queue manager to forget that the destinations of this message are dead. */
const UNTHROTTLE_MODE = 0o040
/** Ids that are looked at for repetition; later ones may be served twice. */
const REMEMBERED_IDS_MAX = 10_000
const DAY_SECONDS = 24 * 3600

/** Name of a destination's list: no character of it can lead out of the directory. */
export function listName(site: string): string {
  return asciiLower(site).replaceAll(/[^a-z0-9]/g, '_')
}

/** Adds a message to the list of a destination. @throws {NodeJS.ErrnoException} */
export function addToList(spool: Spool, site: string, id: QueueId): void {
  const path = queuePath(spool, 'flush', listName(site))
  const fd = withParents(spool, path, () => files.open(path, O_WRONLY | O_APPEND | O_CREAT, LIST_MODE))
  try {
    files.flock(fd, 'exclusive', true)
    const line = new TextEncoder().encode(`${id}\n`)
    files.write(fd, line, 0, line.length, null)
  } finally {
    files.close(fd)
  }
}

function now(): number {
  return Math.floor(Date.now() / 1000)
}

/**
 * Makes a message due at once: stamped with the time of now, and in incoming, which is looked at first.
 *
 * @returns `false` when it waits neither in deferred nor in incoming.
 */
function makeDue(spool: Spool, id: QueueId): boolean {
  const from = queuePath(spool, 'deferred', id)
  const to = queuePath(spool, 'incoming', id)
  for (const path of [from, to]) {
    try {
      files.utimes(path, now(), now())
      if (path === from) renameInSpool(spool, from, to)
      return true
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) log.warning(`${path}: update ${path} time stamps: ${errnoText(error)}`)
    }
  }
  return false
}

/** Makes one message due, and its destinations alive. `false`: it does not wait here. */
export function serveMessage(spool: Spool, id: QueueId): boolean {
  for (const queue of ['deferred', 'incoming'] as const) {
    const path = queuePath(spool, queue, id)
    try {
      files.chmod(path, ((files.lstat(path)?.mode ?? 0o700) & ALL_MODES) | UNTHROTTLE_MODE)
      return makeDue(spool, id)
    } catch (error) {
      if (!isErrno(error, 'ENOENT')) log.warning(`${id}: fchmod ${path}: ${errnoText(error)}`)
    }
  }
  return false
}

function serveIds(spool: Spool, fd: number, path: string): number {
  const seen = new Set<string>()
  let served = 0
  for (const line of readLines(fd)) {
    if (!isQueueId(line)) {
      log.warning(`bad queue id "${line.slice(0, 30)}..." in fast flush logfile ${path}`)
      continue
    }
    if (seen.has(line)) continue
    if (seen.size < REMEMBERED_IDS_MAX) seen.add(line)
    if (makeDue(spool, line)) served++
  }
  return served
}

/** Makes all messages of a list due, and empties it. @returns How many there were; 0 also without a list. */
function serveList(spool: Spool, path: string): number {
  const fd = openIfThere(path)
  if (fd === undefined) return 0
  try {
    files.flock(fd, 'exclusive', true)
    const served = serveIds(spool, fd, path)
    files.ftruncate(fd, 0)
    return served
  } finally {
    files.close(fd)
  }
}

function openIfThere(path: string): number | undefined {
  try {
    return files.open(path, O_RDWR)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Makes everything due that waits for a destination. @returns The number of messages. */
export function serveSite(spool: Spool, site: string): number {
  return serveList(spool, queuePath(spool, 'flush', listName(site)))
}

/** When lists are served that nobody asked for, and when empty ones go. */
export type RefreshTimes = {
  /** Lists not read for so long are served; 0: all. Seconds. */
  readonly refreshSeconds: number
  /** Empty lists not written for so long are removed. Seconds. */
  readonly purgeSeconds: number
}

/** Serves old lists and removes empty ones. @returns The number of messages that are due now. */
export function refreshLists(spool: Spool, { refreshSeconds, purgeSeconds }: RefreshTimes): number {
  let served = 0
  for (const { name, path } of scanNames(spool, 'flush')) {
    const facts = isQueueId(name) ? files.lstat(path) : undefined
    if (!facts) continue
    if (facts.size === 0) {
      if (facts.mtimeMs + purgeSeconds * 1000 <= Date.now()) removeEmpty(path, purgeSeconds)
    } else if (facts.atimeMs + refreshSeconds * 1000 < Date.now()) served += serveList(spool, path)
  }
  return served
}

function removeEmpty(path: string, purgeSeconds: number): void {
  files.unlink(path)
  const days = Math.floor(purgeSeconds / DAY_SECONDS)
  if (log.verbose) log.info(`unlink ${path}, empty and unchanged for ${days} days`)
}
