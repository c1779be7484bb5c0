/**
 * One line of help for each parameter. Loaded only to be shown: `postconf -C help`, and the manual page postconf(5).
 *
 * @module
 */
import { isParameterName, type ParameterName } from '#config/parameters/table.ts'
import { DELIVERY_HELP } from './delivery.ts'
import { EXTENSION_HELP } from './extensions.ts'
import { GENERAL_HELP } from './general.ts'
import { LMTP_HELP } from './lmtp.ts'
import { MESSAGES_HELP } from './messages.ts'
import { POSTSCREEN_HELP } from './postscreen.ts'
import { SMTP_HELP } from './smtp.ts'
import { SMTPD_HELP } from './smtpd.ts'
import { SYSTEM_HELP } from './system.ts'
import { TLS_HELP } from './tls.ts'

const HELP: Readonly<Partial<Record<ParameterName, string>>> = {
  ...GENERAL_HELP,
  ...MESSAGES_HELP,
  ...DELIVERY_HELP,
  ...SYSTEM_HELP,
  ...LMTP_HELP,
  ...POSTSCREEN_HELP,
  ...SMTP_HELP,
  ...SMTPD_HELP,
  ...TLS_HELP,
  ...EXTENSION_HELP,
}

/** Names with help of their own. */
export const HELPED_NAMES: readonly string[] = Object.keys(HELP)

/** Families that repeat another one: their prefix, that of the other, and what is said. */
const TWINS: readonly (readonly [prefix: string, twin: string, say: (twin: string, help: string) => string])[] = [
  ['lmtp_', 'smtp_', (_, help) => `LMTP client: ${help}`],
  ['tlsproxy_tls_', 'smtpd_tls_', (twin) => `Value of ${twin} in tlsproxy.`],
  ['tlsproxy_client_', 'smtp_tls_', (twin) => `Value of ${twin} in tlsproxy.`],
]

/** What a parameter does, in one line; `undefined` where nothing is written. */
export function parameterHelp(name: ParameterName): string | undefined {
  const own = HELP[name]
  if (own !== undefined) return own
  for (const [prefix, twinPrefix, say] of TWINS) {
    const twin = twinPrefix + name.slice(prefix.length)
    const help = name.startsWith(prefix) && isParameterName(twin) ? HELP[twin] : undefined
    if (help !== undefined) return say(twin, help)
  }
  return undefined
}
