/** :include: files: lists of destinations, read with the rights of who named them. */
import fs from 'node:fs'
import { asUser } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { getpwuid } from '#system/users.ts'
import { parseDestinations, type Destination } from './destination.ts'
import type { End, Rights } from './state.ts'

/** The destinations of an :include: file, line by line, or how the recipient ends that named it. */
export type Included =
  | { readonly kind: 'ok'; readonly lines: Destination[][]; readonly privileges: Rights | undefined }
  | { readonly kind: 'failed'; readonly end: End }

const BYTES_MAX = 16 * 1_048_576
const MODE_OTHERS_WRITE = 0o002

/** Only those who run this machine are told more than this, in the log. */
function failed(problem: string): Included {
  log.warning(problem)
  return { kind: 'failed', end: { kind: 'bounced', status: '5.3.5', reason: 'mail system configuration error' } }
}

/**
 * Reads a list. What it names runs with the rights of the list that names it; when that is root's, with those of the
 * file's owner: a user must not act with the rights of another by including that one's file.
 *
 * @param privileges Rights of the list that names it; undefined: it is root's.
 */
export function readInclude(path: string, privileges: Rights | undefined): Included {
  if (!path.startsWith('/')) return failed(`:include:${path} uses a relative path`)
  try {
    const rights = privileges ?? ownerRights(path)
    return rights ? asUser(rights, () => readList(path, rights)) : readList(path, undefined)
  } catch (error) {
    return failed(`unable to lookup :include: file ${path}: ${errnoText(error)}`)
  }
}

function ownerRights(path: string): Rights | undefined {
  const { uid, gid } = fs.statSync(path)
  return uid === 0 ? undefined : (getpwuid(uid) ?? { uid, gid })
}

function readList(path: string, privileges: Rights | undefined): Included {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const stats = fs.fstatSync(fd)
    if (!stats.isFile()) return failed(`:include: file ${path} is not a regular file`)
    if ((stats.mode & MODE_OTHERS_WRITE) !== 0) return failed(`:include: file ${path} is world writable`)
    if (stats.size > BYTES_MAX) return failed(`:include: file ${path} is larger than ${BYTES_MAX} bytes`)
    const lines = fs.readFileSync(fd, 'utf8').split('\n').map((line) => parseDestinations(line, true))
    return { kind: 'ok', lines, privileges }
  } finally {
    fs.closeSync(fd)
  }
}
