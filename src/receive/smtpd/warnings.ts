/**
 * What a service says about its parameters when it starts.
 *
 * @module
 */
import { log } from '#system/log.ts'
import type { Settings } from './settings.ts'

/** Warns about values that do not go together, and about what is configured and not there. */
export function warnAboutSettings(settings: Settings): void {
  const { queueMinFree, messageBytesMax, proxyFilter, milters } = settings
  const { tlsAuthOnly, tlsLevel, saslEnabled, tlsWrapper } = settings
  if (queueMinFree > 0 && messageBytesMax > 0 && queueMinFree / 1.5 < messageBytesMax) {
    log.warning(`queue_minfree(${queueMinFree}) should be at least 1.5*message_size_limit(${messageBytesMax})`)
  }
  if (proxyFilter !== '') log.warning('smtpd_proxy_filter is not supported: no mail will be accepted by this service')
  if (milters !== undefined) {
    log.warning(`smtpd_milters is not supported by this version: milter_default_action = ${milters.action} applies`)
  }
  if (tlsLevel === 'none' && !tlsWrapper && tlsAuthOnly && saslEnabled) {
    log.warning(
      'Can\'t require TLS for SASL: smtpd_tls_auth_only is set, and TLS is not enabled (smtpd_tls_security_level)',
    )
  }
}
