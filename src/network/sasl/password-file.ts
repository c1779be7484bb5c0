/**
 * The password file: `user:hash`, a user a line; `#` starts a comment line.
 *
 * Small enough to be kept in memory; read again when it has changed.
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'

/** Users and their hashes. A reason: the file has never been read. */
export type Users =
  | { readonly kind: 'users'; readonly hashes: ReadonlyMap<string, string> }
  | { readonly kind: 'error'; readonly reason: string }

/** How old the knowledge of the file may be. */
const CHECK_INTERVAL_MS = 1000

/**
 * A password file. It is read when it is opened, with the rights of that time; when it changes and may still be read,
 * it is read again. Where it may not, changes count after a reload.
 */
export class PasswordFile {
  readonly path: string
  #users: Users
  #version = ''
  #checkedAt = -Infinity

  constructor(path: string) {
    this.path = path
    this.#users = { kind: 'error', reason: `open password file ${path}: not read yet` }
    this.users()
  }

  /** The users of now. */
  users(): Users {
    const now = performance.now()
    if (now - this.#checkedAt < CHECK_INTERVAL_MS) return this.#users
    this.#checkedAt = now
    try {
      const { mtimeMs, size, ino } = statSync(this.path)
      const version = `${ino} ${mtimeMs} ${size}`
      if (version !== this.#version) {
        this.#users = { kind: 'users', hashes: parseUsers(readFileSync(this.path, 'utf8')) }
      }
      this.#version = version
    } catch (error) {
      if (this.#users.kind === 'error') {
        this.#users = { kind: 'error', reason: `open password file ${this.path}: ${errnoText(error)}` }
      }
    }
    return this.#users
  }
}

/** Users and hashes in the text of a file; of two lines for a user the last counts. */
export function parseUsers(text: string): Map<string, string> {
  const hashes = new Map<string, string>()
  for (const line of text.split('\n')) {
    // Further fields, as in files of Dovecot, are not looked at.
    const [user = '', hash = ''] = line.trimEnd().split(':')
    if (user !== '' && hash !== '' && !user.startsWith('#')) hashes.set(user, hash)
  }
  return hashes
}

/** The text of a file with one user set to `hash`, or removed (`undefined`); all else stays. */
export function changeUser(text: string, user: string, hash: string | undefined): string {
  const lines = text === '' ? [] : text.replace(/\n$/, '').split('\n')
  const others = lines.filter((line) => line.startsWith('#') || line.split(':', 1)[0] !== user)
  const at = lines.findIndex((line) => !line.startsWith('#') && line.split(':', 1)[0] === user)
  if (hash !== undefined) others.splice(at < 0 ? others.length : at, 0, `${user}:${hash}`)
  return others.length === 0 ? '' : `${others.join('\n')}\n`
}
