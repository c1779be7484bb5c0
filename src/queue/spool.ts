/**
 * The queue directory: names of the queues, paths of the files in them, moves
 * from one queue to another, and scans of any size in little memory.
 *
 * The state of a message is the directory its file is in. Queues named in
 * hash_queue_names spread their files over sub-directories of one character.
 *
 * Source: postconf(5) queue_directory, hash_queue_names, hash_queue_depth.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { isErrno } from '#system/errno.ts'
import { files, O_DIRECTORY, O_RDONLY, type DirectoryReader, type FileFacts } from '#system/files.ts'
import { hashText, isQueueId, type QueueId } from './id.ts'
import { giveFolder } from './owner.ts'

export { isQueueId, queueId, type QueueId } from './id.ts'

/** Queues of message files. */
export const MESSAGE_QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved'] as const
/** Directories of delivery status logs, one file per message. */
export const LOG_QUEUES = ['bounce', 'defer', 'trace'] as const

/** A directory of messages. */
export type QueueName = (typeof MESSAGE_QUEUES)[number]
export type LogName = (typeof LOG_QUEUES)[number]
/** Any directory whose files are found by name: messages, their logs, and lists of the flush service. */
export type SpoolName = QueueName | LogName | 'flush'

/** One queue directory. `path` has no slash at its end; `.` means the working directory. */
export type Spool = {
  readonly path: string
  /** Hashed queues, in lower case. */
  readonly hashNames: ReadonlySet<string>
  readonly hashDepth: number
  /** Whether new files get long ids. */
  readonly longIds: boolean
}

const DIRECTORY_MODE = 0o700
/** Names of hash directories: of microseconds in hexadecimal, and where a name is too short. */
const HASH_CHARACTERS = '0123456789ABCDEF_'
/** Owner may read, write and execute: the message is complete. */
const READY_MODE = 0o700

/**
 * The queue directory of a configuration.
 *
 * @param path For a process that lives below another root: where it sees the queue directory.
 */
export function openSpool(config: Config, path: string = config.str('queue_directory')): Spool {
  return {
    path: path.replace(/(?<=.)\/+$/, ''),
    hashNames: new Set(config.list('hash_queue_names').map((name) => name.toLowerCase())),
    hashDepth: config.int('hash_queue_depth'),
    longIds: config.bool('enable_long_queue_ids'),
  }
}

/** Hash directories of a name, with a slash after each: `9/0/`. */
function hashDirectories(name: string, depth: number): string {
  const text = hashText(name)
  let path = ''
  for (let i = 0; i < depth; i++) path += `${text.charAt(i) || '_'}/`
  return path
}

/** Path of a file below the queue directory, such as `deferred/9/90E7F2544D2`. */
export function relativePath(spool: Spool, queue: SpoolName, name: string): string {
  if (!spool.hashNames.has(queue)) return `${queue}/${name}`
  return `${queue}/${hashDirectories(name, spool.hashDepth)}${name}`
}

/** Path of a file in a queue. */
export function queuePath(spool: Spool, queue: SpoolName, name: string): string {
  return pathIn(spool, relativePath(spool, queue, name))
}

/** Path of something in the queue directory; in the working directory names stay relative, as logs show them. */
export function pathIn(spool: Spool, relative: string): string {
  return spool.path === '.' ? relative : `${spool.path}/${relative}`
}

/** Makes the directories above `path` that are missing, within the queue directory. */
export function makeParents(spool: Spool, path: string): void {
  const base = spool.path === '.' ? 0 : spool.path.length + 1
  for (let end = path.indexOf('/', base); end > 0; end = path.indexOf('/', end + 1)) {
    const folder = path.slice(0, end)
    if (files.mkdir(folder, DIRECTORY_MODE)) giveFolder(folder, folder.slice(0, Math.max(folder.lastIndexOf('/'), 0)) || '.')
  }
}

/** The directories that lead to a file in the queue directory, the nearest first: a new name is durable with all of them. */
export function foldersAbove(spool: Spool, path: string): string[] {
  const base = spool.path === '.' ? 0 : spool.path.length + 1
  const folders: string[] = []
  for (let end = path.lastIndexOf('/'); end > base; end = path.lastIndexOf('/', end - 1)) folders.push(path.slice(0, end))
  return folders
}

/** All directories that files of a queue are in, the outermost first. */
export function queueFolders(spool: Spool, queue: SpoolName): string[] {
  const depth = spool.hashNames.has(queue) ? spool.hashDepth : 0
  let level = [pathIn(spool, queue)]
  const folders = level.filter((path) => files.lstat(path)?.isDirectory)
  for (let i = 0; i < depth; i += 1) {
    level = level.flatMap((path) => Array.from(HASH_CHARACTERS, (c) => `${path}/${c}`)).filter((path) => files.lstat(path)?.isDirectory)
    folders.push(...level)
  }
  return folders
}

/** Makes the names in a directory durable. */
export async function syncFolder(path: string): Promise<void> {
  const fd = files.open(path, O_RDONLY | O_DIRECTORY)
  try {
    await files.fsync(fd)
  } finally {
    files.close(fd)
  }
}

/** Runs `call`, which puts a file at `path`; makes missing hash directories and tries once more. */
export function withParents<T>(spool: Spool, path: string, call: () => T): T {
  try {
    return call()
  } catch (error) {
    if (!isErrno(error, 'ENOENT')) throw error
    makeParents(spool, path)
    return call()
  }
}

/** Renames a file within the queue directory. `false`: there is no such file any more. */
export function renameInSpool(spool: Spool, from: string, to: string): boolean {
  try {
    withParents(spool, to, () => files.rename(from, to))
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/**
 * Moves a message to another queue; time stamps stay.
 *
 * @returns `false` when the file is gone: removed or moved by postsuper, for example.
 * @throws {NodeJS.ErrnoException} Any file error but ENOENT; the message is then where it was.
 */
export function moveFile(spool: Spool, id: QueueId, from: QueueName, to: QueueName): boolean {
  return renameInSpool(spool, queuePath(spool, from, id), queuePath(spool, to, id))
}

/** Removes a message. `false`: it was gone. */
export function removeFile(spool: Spool, queue: QueueName, id: QueueId): boolean {
  return files.unlink(queuePath(spool, queue, id))
}

/** Facts about a message file; `undefined` when it is not in this queue. */
export function statFile(spool: Spool, queue: SpoolName, name: string): FileFacts | undefined {
  return files.lstat(queuePath(spool, queue, name))
}

/** Sets both time stamps of a message, in seconds: not before then will it be tried. `false`: gone. */
export function stampFile(spool: Spool, queue: QueueName, id: QueueId, seconds: number): boolean {
  try {
    files.utimes(queuePath(spool, queue, id), seconds, seconds)
    return true
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return false
    throw error
  }
}

/** Whether a file is a complete message: a plain file with all rights for its owner. */
export function isReady(facts: FileFacts): boolean {
  return facts.isFile && (facts.mode & READY_MODE) === READY_MODE
}

/** One name found in a queue. `path` starts with the spool's path. */
export type FoundFile = { readonly name: string; readonly path: string }

export type ScanOptions = {
  /** Descend into sub-directories of one character, as hashed queues have them. Default: all but maildrop. */
  readonly descend?: boolean
}

/** Opens a file to read it; undefined: there is none. */
export function openFileIfThere(path: string): number | undefined {
  try {
    return files.open(path, O_RDONLY)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

function openIfThere(path: string): DirectoryReader | undefined {
  try {
    return files.openDirectory(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT') || isErrno(error, 'ENOTDIR')) return undefined
    throw error
  }
}

/**
 * Every name below one queue, in the order of the directories, whatever it is.
 * Holds one open directory per level, and no more than one block of names each,
 * so that a million files cost no more memory than ten.
 */
export function* scanNames(spool: Spool, queue: SpoolName, options: ScanOptions = {}): Generator<FoundFile, void> {
  const descend = options.descend ?? queue !== 'maildrop'
  const open: { readonly path: string; readonly reader: DirectoryReader }[] = []
  const enter = (path: string): boolean => {
    const reader = openIfThere(path)
    if (reader) open.push({ path, reader })
    return reader !== undefined
  }
  enter(pathIn(spool, queue))
  try {
    for (let level = open.at(-1); level; level = open.at(-1)) {
      const name = level.reader.read()
      if (name === undefined) open.pop()?.reader.close()
      else if (!(descend && name.length === 1 && enter(`${level.path}/${name}`))) {
        yield { name, path: `${level.path}/${name}` }
      }
    }
  } finally {
    for (const { reader } of open) reader.close()
  }
}

/** The queue ids among the names of a queue; temporary files and foreign names are left out. */
export function* scanQueue(spool: Spool, queue: SpoolName, options: ScanOptions = {}): Generator<QueueId, void> {
  for (const { name } of scanNames(spool, queue, options)) {
    if (isQueueId(name)) yield name
  }
}
