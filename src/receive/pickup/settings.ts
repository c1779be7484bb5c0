/**
 * The parameters of pickup, read once.
 *
 * @module
 */
import { overriddenFlags, SUBMISSION_FLAGS, type CleanupFlags } from '#cleanup/flags.ts'
import type { Config } from '#config/config.ts'
import { getpwnam } from '#system/users.ts'

export type PickupSettings = {
  /** What cleanup does with mail of people, and with mail that was queued before. */
  readonly submittedFlags: CleanupFlags
  readonly requeuedFlags: CleanupFlags
  readonly contentFilter: string
  readonly myHostname: string
  readonly mailName: string
  readonly lineBytesMax: number
  /** Files of this user that others cannot read were queued before: `postsuper -r`. */
  readonly ownerId: number
  /** Shown in warnings. */
  readonly queueDirectory: string
}

/** Reads the parameters. @throws {ConfigError} */
export function readSettings(config: Config): PickupSettings {
  const flags = overriddenFlags(SUBMISSION_FLAGS, config.list('receive_override_options'))
  return {
    submittedFlags: { ...flags, autoutf8: autodetects(config) },
    requeuedFlags: { ...flags, milter: false },
    contentFilter: config.str('content_filter'),
    myHostname: config.str('myhostname'),
    mailName: config.str('mail_name'),
    lineBytesMax: config.int('line_length_limit'),
    ownerId: getpwnam(config.str('mail_owner'))?.uid ?? -1,
    queueDirectory: config.str('queue_directory'),
  }
}

/** Who submits mail with a command cannot ask for SMTPUTF8: smtputf8_autodetect_classes says whether to look. */
function autodetects(config: Config): boolean {
  if (!config.bool('smtputf8_enable')) return false
  const classes = config.list('smtputf8_autodetect_classes')
  return classes.includes('all') || classes.includes('sendmail')
}
