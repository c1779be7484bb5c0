/**
 * Where a program logs, by the configuration: syslog, `maillog_file`, or standard output.
 *
 * With maillog_file every process of ours appends to the file itself. Programs
 * that may not open it (set-gid commands, a chroot) send to our log service,
 * as all of Postfix's programs do.
 *
 * @module
 */
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { isErrno } from '#system/errno.ts'
import { openLog, type OpenLog } from '#system/log.ts'
import { facilityNumber } from '#system/log-line.ts'
import type { LogDestination } from '#system/log-sinks.ts'

const DEFAULT_FILE_MODE = 0o600
/** maillog_file as standard output, for `postfix start-fg`. */
const STDOUT = '/dev/stdout'

/** A value of the configuration that logging cannot work with; Postfix's words. */
export class LogConfigError extends Error {
  override name = 'LogConfigError'
}

/**
 * The destination that the configuration asks for.
 *
 * @throws {LogConfigError} For an unknown facility, format, or a file outside maillog_file_prefixes.
 */
export function logDestination(config: Config): LogDestination {
  const path = config.str('maillog_file')
  if (path === '') return { kind: 'syslog', facility: facility(config.str('syslog_facility')) }
  if (!config.list('maillog_file_prefixes').some((prefix) => path.startsWith(prefix))) {
    throw new LogConfigError(`maillog_file value '${path}' does not match any prefix in maillog_file_prefixes`)
  }
  const json = isJson(config.str('maillog_format'))
  if (path === STDOUT) return { kind: 'stdout', json }
  return { kind: 'file', path, mode: fileMode(config.str('maillog_file_permissions')), json }
}

/** Digits of the modes that Postfix allows; anything else counts as the default. */
function fileMode(text: string): number {
  return /^0?(?:600|640|644)$/.test(text) ? Number.parseInt(text, 8) : DEFAULT_FILE_MODE
}

function facility(name: string): number {
  const number = facilityNumber(name)
  if (number === undefined) throw new LogConfigError(`unknown syslog facility name: ${name}`)
  return number
}

function isJson(format: string): boolean {
  if (format !== 'postfix' && format !== 'json') throw new LogConfigError(`bad parameter value: maillog_format = ${format}`)
  return format === 'json'
}

/** The log service, for those who may not open the file. */
export function postlogDestination(config: Config): LogDestination {
  return { kind: 'postlog', path: join(config.str('queue_directory'), 'public', config.str('postlog_service_name')) }
}

/** How to open the log of a program. */
export type ProgramLog = {
  /** `smtpd`; the tag becomes `$syslog_name/smtpd`. */
  readonly program: string
  /** The configuration without the `-o` of the service, for lines under another program's name. */
  readonly common?: Config
  readonly verbose?: boolean
  /** Another tag than `$syslog_name/program` (postlog -t). */
  readonly ident?: string
  /** Commands also write to standard error, as `tag: text`. */
  readonly stderr?: string
  /** Only warnings and worse go to standard error. */
  readonly problemsOnly?: boolean
}

/**
 * Opens the log of a program.
 *
 * @throws {LogConfigError} For a wrong setting. @throws {NodeJS.ErrnoException} When the file cannot be
 * opened for another reason than permission.
 */
export function openProgramLog(config: Config, options: ProgramLog): OpenLog {
  const { program, common = config, verbose = false, stderr, problemsOnly = false } = options
  const destination = logDestination(config)
  const copies: LogDestination[] = stderr === undefined ? [] : [{ kind: 'stderr', tag: stderr, problemsOnly }]
  const shared = {
    ident: options.ident ?? `${config.str('syslog_name')}/${program}`,
    base: common.str('syslog_name'),
    utf8: config.bool('smtputf8_enable'),
    verbose,
  }
  try {
    return openLog({ ...shared, destination: [destination, ...copies] })
  } catch (error) {
    if (!isErrno(error, 'EACCES') && !isErrno(error, 'EPERM')) throw error
    return openLog({ ...shared, destination: [postlogDestination(config), ...copies] })
  }
}

/** Opens the file anew after it was renamed; without permission for that the log service takes over. */
export function reopenProgramLog(log: OpenLog, config: Config): void {
  try {
    log.reopen()
  } catch {
    log.redirect([postlogDestination(config)])
  }
}
