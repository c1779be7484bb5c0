/**
 * `postfix logrotate`: renames the log file, has it opened anew, and compresses the old one.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { renameSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import { runningMaster } from '#service/instance.ts'

/** Programs open the new file within this time. */
const REOPEN_MS = 1000

/** A rotation that failed; the whole text for the log. */
export class RotateError extends Error {
  override name = 'RotateError'
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}

/**
 * strftime(3) for the conversions that a file name can need.
 *
 * @throws {RotateError} For another one.
 */
export function formatSuffix(format: string, date: Date): string {
  const values: Readonly<Record<string, string>> = {
    Y: String(date.getFullYear()), m: two(date.getMonth() + 1), d: two(date.getDate()), H: two(date.getHours()),
    M: two(date.getMinutes()), S: two(date.getSeconds()), y: two(date.getFullYear() % 100),
    s: String(Math.trunc(date.getTime() / 1000)), '%': '%',
  }
  return format.replaceAll(/%(.)/g, (_, letter: string) => {
    const value = Object.hasOwn(values, letter) ? values[letter] : undefined
    if (value === undefined) throw new RotateError(`unknown conversion "%${letter}" in '${format}'`)
    return value
  })
}

/** Rotates maillog_file. @throws {RotateError} */
export async function rotateLog(config: Config, now = new Date()): Promise<void> {
  for (const name of ['maillog_file', 'maillog_file_compressor', 'maillog_file_rotate_suffix'] as const) {
    if (config.str(name) === '') throw new RotateError(`empty '${name}' parameter value - logfile rotation failed`)
  }
  const file = config.str('maillog_file')
  if (file.startsWith('/dev/')) throw new RotateError(`not rotating '${file}'`)
  try {
    const old = `${file}.${formatSuffix(config.str('maillog_file_rotate_suffix'), now)}`
    renameSync(file, old)
    const master = runningMaster(config.str('queue_directory'))
    if (master !== undefined) process.kill(master, 'SIGHUP')
    await delay(REOPEN_MS)
    await compress(config.str('maillog_file_compressor'), old)
  } catch (error) {
    throw new RotateError(`logfile '${file}' rotation failed: ${errnoText(error)}`, { cause: error })
  }
}

async function compress(command: string, file: string): Promise<void> {
  const child = spawn(command, [file], { stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
  await once(child, 'close')
  if (child.exitCode !== 0) throw new Error(errors.trim() === '' ? `${command}: exit status ${child.exitCode}` : errors.trim())
}
