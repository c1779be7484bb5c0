/**
 * Files of messages that have left the queue, kept for the next ones: moving and emptying a file costs a fraction of
 * making one and removing another. Worst off are file systems that pass over inodes deleted a moment ago, such as ext4
 * without a journal: there each new file makes the next one dearer.
 *
 * qmgr puts the files of removed messages into `spare/`, named by their inodes, which their next queue ids contain;
 * cleanup takes one, if there is one. The execute bit is gone before a file gets there, and comes back only with the
 * commit of its next message: nobody can take it for a message meanwhile. A file is taken by moving it, which only one
 * process can do, and emptied by who took it.
 *
 * It is emptied before anything is written to it, and not overwritten: what a crash of the machine then may bring back is
 * an earlier state of the file system, the old name with the old bytes, as if the file had been deleted. File systems
 * that keep no order of their changes may bring back the old name with the new bytes: recovery of the journal removes
 * what stands under the name of a message that is done, where the file belongs to another (journal/recover.ts).
 *
 * Reads, writes: spare/, made by master, emptied at its start and stop; without the folder nothing is kept. What was
 * not taken for 10 to 20 seconds is deleted: mail that was removed does not stay on the disk.
 *
 * @module
 */
import { errnoText, isErrno } from '#system/errno.ts'
import { asUser, type Identity } from '#system/as-user.ts'
import { files, O_NOFOLLOW, O_RDWR, type FileFacts } from '#system/files.ts'
import { log } from '#system/log.ts'
import { decodeId, type QueueId } from './id.ts'
import { makePrivateFolder } from './owner.ts'
import { pathIn, queuePath, type Spool } from './spool.ts'

/** Below the queue directory. */
export const SPARE_FOLDER = 'spare'

/** Files kept at most; how many removals to wait for until a full folder is counted again. */
const KEPT_MAX = 256
const RECOUNT_EVERY = 32
/** Larger files are not worth emptying. */
const BYTES_MAX = 65_536
/** One that grew larger all the same is not used: who looks at a larger one need not think of the next message. */
export const USED_BYTES_MAX = 2 * BYTES_MAX
/** Older messages are not in the journal any more, which alone can tell after a crash whose file this was. */
const AGE_MAX_SECONDS = 30
/** Of an older message that somebody is still reading, the file is surely not written over; some clocks differ. */
export const MAY_RETURN_SECONDS = 4 * AGE_MAX_SECONDS
/** New messages made without a look into a folder that was empty; names missed in a row until the list is old. */
const LOOK_EVERY = 2
const MISSES_MAX = 4
/** Names tried for one message: where none can be moved, such as to a hash directory that is still to be made, a file is made. */
const TRIES_MAX = 2 * MISSES_MAX

const EMPTY_MODE = 0o600
const PERMISSIONS = 0o7777
const HEXADECIMAL = 16
const INODE_NAME = /^[0-9A-F]{1,16}$/

/** Whether a file in active/ had left the queue when its queue manager was killed: it only had to be moved. */
export function isRetired(facts: FileFacts): boolean {
  return facts.isFile && (facts.mode & PERMISSIONS) === EMPTY_MODE
}

/** What became of the file of a removed message; `declined`: it is to be deleted. */
export type Kept = 'kept' | 'gone' | 'declined'

/** The side of qmgr: one per process. */
export class SpareKeeper {
  readonly #spool: Spool
  readonly #records: boolean
  /** Not none: an earlier queue manager may have left some. */
  #count = 1
  #declined = 0
  /** Names that were there at the last sweep. */
  #seen: ReadonlySet<string> = new Set()

  /** @param records The journal says what has left; without it a file must not be used again. */
  constructor(spool: Spool, records = true) {
    this.#spool = spool
    this.#records = records
  }

  /** Takes the file of a message in active/ out of the queue. `bytes`: its size, about. */
  keep(id: QueueId, bytes: number, ageSeconds: number): Kept {
    if (!this.#records) return 'declined'
    const inode = decodeId(id)?.inode
    if (inode === undefined || bytes > BYTES_MAX || ageSeconds > AGE_MAX_SECONDS || !this.#hasRoom()) return 'declined'
    const path = queuePath(this.#spool, 'active', id)
    try {
      files.chmod(path, EMPTY_MODE)
    } catch (error) {
      return isErrno(error, 'ENOENT') ? 'gone' : 'declined'
    }
    try {
      files.rename(path, pathIn(this.#spool, `${SPARE_FOLDER}/${inode}`))
    } catch {
      // No such folder, or one on another file system.
      return 'declined'
    }
    this.#count += 1
    return 'kept'
  }

  /** Deletes what nobody took since the last sweep. What can't be deleted now waits for the next one. */
  sweep(): void {
    if (this.#count === 0) return
    try {
      this.#sweep()
    } catch (error) {
      log.warning(`sweep ${SPARE_FOLDER}: ${errnoText(error)}`)
    }
  }

  #sweep(): void {
    const names = spareNames(this.#spool)
    const old = names.filter((name) => this.#seen.has(name))
    for (const name of old) files.unlink(pathIn(this.#spool, `${SPARE_FOLDER}/${name}`))
    this.#seen = new Set(names)
    this.#count = names.length - old.length
  }

  /** Others take from the folder: when it should be full, its names are counted. */
  #hasRoom(): boolean {
    if (this.#count < KEPT_MAX) return true
    if (this.#declined % RECOUNT_EVERY === 0) this.#count = spareNames(this.#spool).length
    const hasRoom = this.#count < KEPT_MAX
    this.#declined = hasRoom ? 0 : this.#declined + 1
    return hasRoom
  }
}

/** An open, empty file without execute bit. */
export type TakenFile = { readonly fd: number; readonly inode: number | bigint }

/** Names read and not tried yet, by queue directory. */
type Supply = { names: string[]; skip: number; misses: number }

const supplies = new Map<string, Supply>()

/**
 * Takes a kept file for a new message: it is moved to the path that `pathFor` gives it. undefined: there is none.
 *
 * @throws {NodeJS.ErrnoException} EMFILE, EIO and kin, of the file itself; it is not left behind then.
 */
export function takeSpare(spool: Spool, pathFor: (inode: number | bigint) => string): TakenFile | undefined {
  const supply = supplyOf(spool)
  for (let tried = 0; tried < TRIES_MAX; tried += 1) {
    const name = nextName(spool, supply)
    if (name === undefined) return undefined
    const inode = inodeOf(name)
    const path = pathFor(inode)
    if (move(spool, `${SPARE_FOLDER}/${name}`, path)) {
      supply.misses = 0
      return openTaken(path, inode)
    }
    supply.misses += 1
  }
  return undefined
}

function supplyOf(spool: Spool): Supply {
  let supply = supplies.get(spool.path)
  if (supply === undefined) supplies.set(spool.path, (supply = { names: [], skip: 0, misses: 0 }))
  return supply
}

/** Several processes read the same names: every other one begins at the other end. */
function nextName(spool: Spool, supply: Supply): string | undefined {
  if (supply.names.length === 0 || supply.misses >= MISSES_MAX) {
    supply.misses = 0
    supply.skip -= 1
    if (supply.skip > 0) return undefined
    supply.names = namesOrNone(spool)
    if (process.pid % 2 === 0) supply.names.reverse()
    supply.skip = supply.names.length === 0 ? LOOK_EVERY : 0
  }
  return supply.names.pop()
}

/** `false`: another process took it; or the file should go to a hash directory that is still to be made, or can't be moved. */
function move(spool: Spool, from: string, to: string): boolean {
  try {
    files.rename(pathIn(spool, from), to)
    return true
  } catch {
    return false
  }
}

/** undefined: the file is not what its name says; then it is deleted. */
function openTaken(path: string, inode: number | bigint): TakenFile | undefined {
  try {
    if (empty(path, inode)) return { fd: files.open(path, O_RDWR | O_NOFOLLOW), inode }
  } catch (error) {
    files.unlink(path)
    throw error
  }
  files.unlink(path)
  return undefined
}

/**
 * Empties the file through a descriptor of its own: ext4 writes out what was written through one that emptied the file,
 * as soon as it is closed, and most mail is gone before it need be on the disk.
 */
function empty(path: string, inode: number | bigint): boolean {
  const fd = files.open(path, O_RDWR | O_NOFOLLOW)
  try {
    const facts = files.fstat(fd)
    const isOurs = isRetired(facts) && facts.links === 1 && facts.inode === inode && facts.size <= USED_BYTES_MAX && isLetGo(fd)
    if (isOurs && facts.size > 0) files.ftruncate(fd, 0)
    return isOurs
  } finally {
    files.close(fd)
  }
}

/**
 * Whether no delivery agent has it locked any more: one that qmgr gave up may still be at it, and would mark its recipients
 * in the next message. Whoever opens it later finds that its name is gone, see `openMessage()`.
 */
function isLetGo(fd: number): boolean {
  return files.flock(fd, 'exclusive', false) && files.flock(fd, 'unlock', false)
}

function inodeOf(name: string): number | bigint {
  const inode = Number.parseInt(name, HEXADECIMAL)
  return Number.isSafeInteger(inode) ? inode : BigInt(`0x${name}`)
}

/** A folder that can't be read must not stop new mail. */
function namesOrNone(spool: Spool): string[] {
  try {
    return spareNames(spool)
  } catch {
    return []
  }
}

/** Makes the folder. @param owner Who owns queue files, when this process is root. */
export function prepareSpares(spool: Spool, owner: Identity): void {
  makePrivateFolder(pathIn(spool, SPARE_FOLDER), owner)
}

/** Deletes what is kept. */
export function deleteSpares(spool: Spool, owner: Identity): void {
  asUser(owner, () => {
    for (const name of spareNames(spool)) files.unlink(pathIn(spool, `${SPARE_FOLDER}/${name}`))
  })
}

function spareNames(spool: Spool): string[] {
  const names: string[] = []
  try {
    const reader = files.openDirectory(pathIn(spool, SPARE_FOLDER))
    try {
      for (let name = reader.read(); name !== undefined; name = reader.read()) if (INODE_NAME.test(name)) names.push(name)
    } finally {
      reader.close()
    }
  } catch (error) {
    if (!isErrno(error, 'ENOENT') && !isErrno(error, 'ENOTDIR')) throw error
  }
  return names
}
