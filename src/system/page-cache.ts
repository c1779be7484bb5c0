/**
 * Which page cache stands in front of a file: as long as it is the same one, nothing that was written is lost,
 * synced or not, whatever happens to processes.
 *
 * It ends with the system (boot id) and with the mount of the file system. Device numbers and mount numbers come
 * again when a file system is mounted anew; the inode of its directory in sysfs does not. Containers on the
 * same volume share all of this, also after a restart. File systems without such a directory (overlay, NFS, btrfs) have no
 * page cache that could be told from another.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import { readFileSync, readlinkSync, statSync } from 'node:fs'

/** Bytes of an identity. */
export const PAGE_CACHE_ID_BYTES = 16

/** The identity that equals none, not even itself: nothing is known. */
export const UNKNOWN_PAGE_CACHE: Uint8Array = new Uint8Array(PAGE_CACHE_ID_BYTES)

/** Below /sys/fs: file systems that have a directory for each mounted device. */
const KNOWN_TYPES = ['ext4', 'xfs', 'f2fs']

const known = new Map<string, Uint8Array>()

/**
 * The identity of the page cache of the file system that `path` is on. Asked once per process and path: a
 * process that changes its root directory asks before.
 */
export function pageCacheId(path: string): Uint8Array {
  let id = known.get(path)
  if (!id) known.set(path, (id = readId(path)))
  return id
}

/** Whether both are known and the same. */
export function isSamePageCache(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0 && Buffer.compare(a, UNKNOWN_PAGE_CACHE) !== 0
}

function readId(path: string): Uint8Array {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
    const { dev } = statSync(path)
    const device = readlinkSync(`/sys/dev/block/${deviceNumbers(BigInt(dev))}`).split('/').at(-1) ?? ''
    const mount = mountInode(device)
    if (mount === undefined) return UNKNOWN_PAGE_CACHE
    return createHash('sha256').update(`${boot} ${dev} ${mount}`).digest().subarray(0, PAGE_CACHE_ID_BYTES)
  } catch {
    // No /proc, no /sys, or a file system without a device of its own.
    return UNKNOWN_PAGE_CACHE
  }
}

function mountInode(device: string): string | undefined {
  for (const type of KNOWN_TYPES) {
    const facts = statSync(`/sys/fs/${type}/${device}`, { bigint: true, throwIfNoEntry: false })
    if (facts) return `${type} ${facts.ino}`
  }
  return undefined
}

/** `254:0`. The two numbers are interleaved: makedev(3). */
function deviceNumbers(device: bigint): string {
  const major = ((device >> 8n) & 0xfffn) | ((device >> 32n) & ~0xfffn)
  const minor = (device & 0xffn) | ((device >> 12n) & ~0xffn)
  return `${major}:${minor}`
}
