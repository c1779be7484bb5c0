/**
 * posthorn-passwd: manages the password file for logins with `smtpd_sasl_type = posthorn`.
 *
 *     posthorn-passwd [-c config_dir] [-f file] [-m argon2|sha512] user     sets a password, read from standard input
 *     posthorn-passwd [-c config_dir] [-f file] -d user                     removes a user
 *     posthorn-passwd [-c config_dir] [-f file] -t user                     tells whether a password is right
 *     posthorn-passwd [-c config_dir] [-f file] -l                          lists the users
 *
 * The password is the first line of standard input; on a terminal it is asked for twice and not shown.
 *
 * Reads, writes: smtpd_sasl_password_file, or `file`: replaced as a whole, so that smtpd never sees half of it.
 * Privileges:    those of the caller. A new file is readable by mail_owner's group, and by nobody else.
 * Diagnostics:   exit status 1 when the file cannot be changed, the user is not there or the password is wrong.
 * Standards:     crypt(5) ($6$); RFC 9106 (argon2).
 *
 * @module
 */
import {
  chownSync, closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync,
} from 'node:fs'
import { fatal, parseOrUsage, runCommand } from '#commands/getopt.ts'
import { processConsole, type Console } from '#commands/console.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { changeUser, parseUsers } from '#network/sasl/password-file.ts'
import { argon2Hash, sha512Hash, verifyPassword } from '#network/sasl/passwords.ts'
import { errnoText, isErrno } from '#system/errno.ts'
import { getpwnam, isRoot } from '#system/users.ts'
import { printable } from '#util/printable.ts'
import { readPassword } from './password.ts'

const PROGRAM = 'posthorn-passwd'
const USAGE = 'usage: posthorn-passwd [-c config_dir] [-f file] [-m argon2|sha512] [-d|-t] user | -l'
/** A new file: its owner writes, mail_owner's group reads. */
const FILE_MODE = 0o640

/** What surrounds the command; replaced in tests. */
export type PasswdTools = { readonly console: Console; readPassword(prompts: readonly string[]): Promise<string> }

const REAL_TOOLS: PasswdTools = { console: processConsole, readPassword }

/** Runs the command. @throws {CommandExit} */
export async function main(argv: readonly string[], tools: PasswdTools = REAL_TOOLS): Promise<number> {
  const { options, operands } = parseOrUsage(PROGRAM, 'c:f:m:dtl', argv, { usage: USAGE, exitCode: 1 })
  const value = (letter: string): string | undefined => options.findLast(([name]) => name === letter)?.[1]
  const has = (letter: string): boolean => options.some(([name]) => name === letter)
  const config = loadTrustedConfig(PROGRAM, value('c'))
  const path = value('f') ?? config.str('smtpd_sasl_password_file')
  const [user, ...more] = operands
  if (has('l')) {
    if (user !== undefined) fatal(PROGRAM, USAGE)
    for (const name of parseUsers(readText(path)).keys()) tools.console.out(`${name}\n`)
    return 0
  }
  if (user === undefined || more.length > 0 || (has('d') && has('t'))) fatal(PROGRAM, USAGE)
  if (!isUserName(user)) {
    fatal(PROGRAM, `"${user}" cannot be a user: no colon, blank or control character, no # at the start`)
  }
  if (has('t')) return test(path, user, tools)
  if (has('d')) return remove(config, path, user)
  const hash = await newHash(value('m') ?? 'argon2', tools)
  replaceFile(config, path, changeUser(readText(path), user, hash))
  return 0
}

/** A name that is one field of a line. */
function isUserName(user: string): boolean {
  return user !== '' && !user.startsWith('#') && !/[:\s]/.test(user) && printable(user) === user
}

async function newHash(method: string, tools: PasswdTools): Promise<string> {
  if (method !== 'argon2' && method !== 'sha512') fatal(PROGRAM, `unknown method: ${method}`)
  const password = await tools.readPassword(['New password: ', 'Again: '])
  if (password === '') fatal(PROGRAM, 'the password is empty')
  return method === 'argon2' ? argon2Hash(password) : sha512Hash(password)
}

async function test(path: string, user: string, tools: PasswdTools): Promise<number> {
  const hash = parseUsers(readText(path)).get(user)
  if (hash === undefined) fatal(PROGRAM, `${user} is not in ${path}`)
  const right = await verifyPassword(await tools.readPassword(['Password: ']), hash)
  if (!right) tools.console.err(`${PROGRAM}: the password is wrong`)
  return right ? 0 : 1
}

function remove(config: Config, path: string, user: string): number {
  const text = readText(path)
  if (!parseUsers(text).has(user)) fatal(PROGRAM, `${user} is not in ${path}`)
  replaceFile(config, path, changeUser(text, user, undefined))
  return 0
}

/** The file; empty when it is not there yet. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return ''
    return fatal(PROGRAM, `open ${path}: ${errnoText(error)}`)
  }
}

/** Replaces the file. Who else is at it makes this fail: the new text would be without their change. */
function replaceFile(config: Config, path: string, text: string): void {
  const temporary = `${path}.new`
  try {
    const fd = openSync(temporary, 'wx', FILE_MODE)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
      giveFile(config, path, temporary)
      renameSync(temporary, path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    } finally {
      closeSync(fd)
    }
  } catch (error) {
    fatal(PROGRAM, `write ${temporary}: ${errnoText(error)}`)
  }
}

/** The new file belongs to whom the old one does, or may be read by the mail system. */
function giveFile(config: Config, path: string, temporary: string): void {
  if (!isRoot()) return
  const old = statSync(path, { throwIfNoEntry: false })
  const owner = getpwnam(config.str('mail_owner'))
  if (old !== undefined) chownSync(temporary, old.uid, old.gid)
  else if (owner !== undefined) chownSync(temporary, 0, owner.gid)
}

if (import.meta.main) runCommand(main)
