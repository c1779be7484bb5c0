/**
 * Which program a command word of master.cf stands for.
 *
 * Some entries of every master.cf need no process: `cleanup` and `rewrite` are libraries of the programs that use
 * them (their `-o` count), and so are the TLS sessions of `tlsmgr` and the kept connections of `scache`.
 *
 * @module
 */
import { accessSync, constants, existsSync } from 'node:fs'
import { extname, join } from 'node:path'

/** What master does for a service. */
export type Program =
  /** One of ours: a file for Node.js. */
  | { readonly kind: 'worker'; readonly file: string }
  /** No process: linked into others. */
  | { readonly kind: 'library' }
  /** An executable of daemon_directory. */
  | { readonly kind: 'executable'; readonly file: string }
  | { readonly kind: 'unknown'; readonly reason: string }

/** Folders of our programs below the root of the sources, or of the bundles. */
const FOLDERS: Readonly<Record<string, string>> = {
  smtpd: 'receive/smtpd',
  postscreen: 'receive/postscreen',
  pickup: 'receive/pickup',
  qmqpd: 'receive/qmqpd',
  qmgr: 'qmgr',
  oqmgr: 'qmgr',
  nqmgr: 'qmgr',
  smtp: 'deliver/smtp',
  lmtp: 'deliver/smtp',
  local: 'deliver/local',
  virtual: 'deliver/virtual',
  pipe: 'deliver/pipe',
  error: 'deliver/error',
  discard: 'deliver/discard',
  bounce: 'bounce',
  anvil: 'support/anvil',
  dnsblog: 'support/dnsblog',
  flush: 'support/flush',
  postlogd: 'support/postlogd',
  proxymap: 'support/proxymap',
  showq: 'support/showq',
  spawn: 'support/spawn',
  tlsproxy: 'support/tlsproxy',
  verify: 'support/verify',
}

const LIBRARIES: ReadonlySet<string> = new Set(['cleanup', 'trivial-rewrite', 'tlsmgr', 'scache'])

/** A folder with programs for tests; its files count before all others. */
const TEST_FOLDER_VARIABLE = 'POSTHORN_TEST_PROGRAMS'

/** The folder above `master/`, and how program files end: sources in development, bundles in `dist/`. */
const ROOT = join(import.meta.dirname, '..')
const EXTENSION = extname(import.meta.filename)

/**
 * The program for a command word.
 *
 * @param daemonDirectory Where executables that are not ours may be.
 */
export function findProgram(command: string, daemonDirectory: string): Program {
  const testFolder = process.env[TEST_FOLDER_VARIABLE]
  if (testFolder !== undefined) {
    const file = join(testFolder, `${command}.ts`)
    if (existsSync(file)) return { kind: 'worker', file }
  }
  if (LIBRARIES.has(command)) return { kind: 'library' }
  const folder = Object.hasOwn(FOLDERS, command) ? FOLDERS[command] : undefined
  if (folder !== undefined) {
    const file = join(ROOT, folder, `main${EXTENSION}`)
    if (existsSync(file)) return { kind: 'worker', file }
    return { kind: 'unknown', reason: `this version of Posthorn has no ${command} program` }
  }
  return findExecutable(join(daemonDirectory, command))
}

function findExecutable(file: string): Program {
  try {
    accessSync(file, constants.X_OK)
    return { kind: 'executable', file }
  } catch {
    return { kind: 'unknown', reason: `no program of Posthorn, and no executable ${file}` }
  }
}
