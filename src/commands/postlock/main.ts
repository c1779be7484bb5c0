/**
 * postlock: runs a command while a mailbox is locked as delivery agents lock it.
 *
 *     postlock [-c config_dir] [-l lock_style] [-v] folder command…
 *
 * Reads, writes: the folder, which is created when missing; `folder.lock`.
 * Privileges:    those of the caller.
 * Diagnostics:   the exit status of the command, 1 when a signal ended it, 75 when the lock could not be had.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { typedAs } from '#commands/called-as.ts'
import { fatal, parseOrUsage, runCommand } from '#commands/getopt.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import { lockFolder, lockPatience, lockStyles, MailboxLockError, type LockedFolder } from './lock.ts'

const PROGRAM = typedAs('postlock')
const USAGE = `usage: ${PROGRAM} [-c config_dir] [-l lock_style] [-v] folder command...`
/** Something that may work later: EX_TEMPFAIL of sysexits.h. */
const TEMPORARY_FAILURE = 75

async function locked(folder: string, list: string, config: Config): Promise<LockedFolder> {
  try {
    return await lockFolder(folder, lockStyles(list), lockPatience(config))
  } catch (error) {
    if (!(error instanceof MailboxLockError)) throw error
    const isSetting = error.message.startsWith('unknown mailbox_delivery_lock')
    return fatal(PROGRAM, isSetting ? error.message : `open file ${folder}: ${error.message}`, TEMPORARY_FAILURE)
  }
}

async function run(command: string, args: readonly string[]): Promise<number> {
  const child = spawn(command, args, { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => child.kill(signal))
  try {
    await once(child, 'exit')
    return child.exitCode ?? 1
  } catch (error) {
    return fatal(PROGRAM, `execvp ${command}: ${errnoText(error)}`)
  }
}

/** Runs the command. @throws {CommandExit} */
export async function main(argv: readonly string[]): Promise<number> {
  const { options, operands } = parseOrUsage(PROGRAM, 'c:l:v', argv, { usage: USAGE, exitCode: TEMPORARY_FAILURE })
  const [folder, command, ...args] = operands
  if (folder === undefined || command === undefined) fatal(PROGRAM, USAGE, TEMPORARY_FAILURE)
  const value = (letter: string): string | undefined => options.findLast(([each]) => each === letter)?.[1]
  const config = loadTrustedConfig(PROGRAM, value('c'))
  using lock = await locked(folder, value('l') ?? config.str('mailbox_delivery_lock'), config)
  // Awaited here: the lock is given back when this function is left.
  return lock.fd >= 0 ? await run(command, args) : 1
}

if (import.meta.main) runCommand(main)
