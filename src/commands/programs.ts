/**
 * Where the other programs of this installation are: beside this one, whether it runs from
 * its sources or from the bundles that `npm run build` makes.
 *
 * @module
 */
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { getpwnam } from '#system/users.ts'

/** Bundles keep the paths of their sources, but for the suffix. */
const MAIN = import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js'

/** The folder that holds `commands/`, `receive/` and so on. */
const TOP = join(import.meta.dirname, '..')

/**
 * The file of a program.
 *
 * @param program Its folder: `receive/smtpd`, `commands/postdrop`.
 */
export function programFile(program: string): string {
  return join(TOP, program, MAIN)
}

/** The command line that runs a program with the Node.js of this process. */
export function programCommand(program: string): [command: string, ...args: string[]] {
  return [process.execPath, programFile(program)]
}

const SET_GID = 0o2000

function isSetGid(path: string): boolean {
  const stats = statSync(path, { throwIfNoEntry: false })
  return stats !== undefined && (stats.mode & SET_GID) !== 0
}

/**
 * The installed set-gid command, when this process needs the rights of its group: whoever is neither root nor the
 * owner of the queue may neither write maildrop nor use public sockets.
 *
 * @returns `undefined` when the program beside this one does as well, or nothing is installed set-gid.
 */
export function setGidCommand(config: Config, name: 'postdrop' | 'postqueue'): string | undefined {
  const uid = process.geteuid?.()
  if (uid === 0 || uid === getpwnam(config.str('mail_owner'))?.uid) return undefined
  const installed = join(config.str('command_directory'), name)
  return isSetGid(installed) ? installed : undefined
}
