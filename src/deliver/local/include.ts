/** :include: files: lists of destinations, read with the rights of who named them. */
import fs from 'node:fs'
import { asUser, type Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { parseDestinations, type Destination } from './destination.ts'
import type { End } from './state.ts'

export type Included =
  | { readonly kind: 'ok'; readonly destinations: Destination[]; readonly privileges: Identity | undefined }
  | { readonly kind: 'failed'; readonly end: End }

const BYTES_MAX = 16 * 1_048_576
const MODE_OTHERS_WRITE = 0o002

function failed(status: string, reason: string): Included {
  return { kind: 'failed', end: { kind: status.startsWith('4') ? 'deferred' : 'bounced', status, reason } }
}

/**
 * Reads a list. What it names runs with the rights of the file's owner, or the default ones when that is root.
 *
 * @param privileges Rights of the list that names it; undefined: `fallback`.
 */
export function readInclude(path: string, privileges: Identity | undefined, fallback: Identity): Included {
  if (!path.startsWith('/')) return failed('5.3.5', `:include:${path} uses a relative path`)
  try {
    return asUser(privileges ?? fallback, () => {
      const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
      try {
        return readList(fd, path, privileges)
      } finally {
        fs.closeSync(fd)
      }
    })
  } catch (error) {
    return failed('4.2.0', `cannot open include file ${path}: ${errnoText(error)}`)
  }
}

function readList(fd: number, path: string, privileges: Identity | undefined): Included {
  const stats = fs.fstatSync(fd)
  if (!stats.isFile()) return failed('5.3.5', `:include: file ${path} is not a regular file`)
  if ((stats.mode & MODE_OTHERS_WRITE) !== 0) return failed('5.3.5', `:include: file ${path} is world writable`)
  if (stats.size > BYTES_MAX) return failed('5.3.5', `:include: file ${path} is too large`)
  const destinations = fs.readFileSync(fd, 'utf8').split('\n').flatMap((line) => parseDestinations(line, true))
  return { kind: 'ok', destinations, privileges: stats.uid === 0 ? privileges : { uid: stats.uid, gid: stats.gid } }
}
