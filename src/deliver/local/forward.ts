/**
 * ~/.forward: read with the rights of its user, and only when nobody else could have written it.
 *
 * Source: local(8); postconf(5) forward_path, forward_expansion_filter.
 *
 * @module
 */
import fs from 'node:fs'
import { asUser } from '#system/as-user.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { User } from '#system/users.ts'
import { splitAtChars } from '#util/split.ts'
import { parseDestinations, type Destination } from './destination.ts'
import { expandMacros } from './macros.ts'
import type { LocalSettings } from './settings.ts'
import type { Branch } from './state.ts'

const BYTES_MAX = 1_048_576
const MODE_OTHERS_WRITE = 0o002

/** `hasExtension`: the name of the file has used the extension up. */
export type Forward = { readonly lines: readonly (readonly Destination[])[]; readonly hasExtension: boolean }

/** What the user's mail is to do instead of going to the mailbox; undefined without a usable file. */
export function readForward(settings: LocalSettings, branch: Branch, user: User): Forward | undefined {
  for (const { path, hasExtension } of forwardPaths(settings, branch, user)) {
    const text = readOwned(path, user)
    if (text === undefined) continue
    const lines = text.split('\n').map((line) => parseDestinations(line, true).map((each) => homed(each, user)))
    if (lines.some((line) => line.length > 0)) return { lines, hasExtension }
  }
  return undefined
}

function homed(destination: Destination, user: User): Destination {
  if (destination.kind !== 'file' || !destination.path.startsWith('~/')) return destination
  return { kind: 'file', path: `${user.home}${destination.path.slice(1)}` }
}

function forwardPaths({ config }: LocalSettings, branch: Branch, user: User): { path: string; hasExtension: boolean }[] {
  const allowed = config.str('forward_expansion_filter')
  const expand = (text: string, of: Branch): string => expandMacros(text, of, user, allowed)
  const words = splitAtChars(config.raw('forward_path'))
  const paths = words.map((word) => {
    const path = expand(word, branch)
    return { path, hasExtension: path !== expand(word, { ...branch, extension: '' }) }
  })
  return paths.filter(({ path }, i) => path.startsWith('/') && paths.findIndex((each) => each.path === path) === i)
}

function readOwned(path: string, user: User): string | undefined {
  try {
    return asUser(user, () => readIfSafe(path, user))
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT' && errnoCode(error) !== 'ENOTDIR') {
      log.warning(`file ${path}: ${errnoText(error)}`)
    }
    return undefined
  }
}

function readIfSafe(path: string, user: User): string | undefined {
  const fd = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
  try {
    const stats = fs.fstatSync(fd)
    if (!stats.isFile()) return undefined
    if (stats.uid !== 0 && stats.uid !== user.uid) log.warning(`file ${path} has bad owner uid ${stats.uid}`)
    else if ((stats.mode & MODE_OTHERS_WRITE) !== 0) log.warning(`file ${path} is world writable`)
    else if (stats.size > BYTES_MAX) log.warning(`file ${path} is larger than ${BYTES_MAX} bytes`)
    else return fs.readFileSync(fd, 'utf8')
    return undefined
  } finally {
    fs.closeSync(fd)
  }
}
