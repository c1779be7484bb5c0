/**
 * Parameters that this client does not carry out yet, in the open.
 *
 * Where mail could go another way than the admin has ordered, the service does not
 * start and mail waits. Where only speed or a report is lost, the log says so.
 */
import type { Config } from '#config/config.ts'
import type { ParameterName } from '#config/parameters/table.ts'
import { log } from '#system/log.ts'

/** These change where mail goes, or whom we believe. */
const REFUSED = ['reply_filter', 'dns_reply_filter', 'tls_trust_anchor_file'] as const
/** These save work or write reports. */
const IGNORED = ['sasl_auth_cache_name', 'tlsrpt_socket_name'] as const

/** Looks for parameters that are set and not built. @throws {Error} For those that must not be passed over. */
export function checkUnsupported(config: Config, lmtp: boolean): void {
  const prefix = lmtp ? 'lmtp' : 'smtp'
  const isOn = (name: ParameterName): boolean => config.isSet(name) && config.str(name) !== ''
  for (const suffix of REFUSED) {
    const name = `${prefix}_${suffix}` as const
    if (isOn(name)) throw new Error(`unsupported parameter: ${name}`)
  }
  for (const suffix of IGNORED) {
    const name = `${prefix}_${suffix}` as const
    if (isOn(name)) log.warning(`unsupported parameter: ${name}`)
  }
}
