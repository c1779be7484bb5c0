/**
 * Parameters that Postfix is about to drop, and what to write in their place.
 *
 * Source: DEPRECATION_README; the warnings of postconf(1) in Postfix 3.11.
 *
 * @module
 */

/** Advice by parameter, in postconf's words. */
const ADVICE: Readonly<Record<string, string>> = {
  authorized_verp_clients: 'specify "smtpd_authorized_verp_clients"',
  disable_dns_lookups: 'specify "smtp_dns_support_level"',
  fallback_relay: 'specify "smtp_fallback_relay"',
  lmtp_cname_overrides_servername: 'do not specify',
  lmtp_enforce_tls: 'lmtp_tls_security_level',
  lmtp_per_record_deadline: 'specify "lmtp_per_request_deadline"',
  lmtp_tls_enforce_peername: 'specify "lmtp_tls_security_level"',
  lmtp_tls_per_site: 'specify "lmtp_tls_policy_maps"',
  lmtp_use_tls: 'specify "lmtp_tls_security_level"',
  postscreen_blacklist_action: 'specify "postscreen_denylist_action"',
  postscreen_dnsbl_ttl: 'specify "postscreen_dnsbl_max_ttl"',
  postscreen_dnsbl_whitelist_threshold: 'specify "postscreen_dnsbl_allowlist_threshold"',
  postscreen_enforce_tls: 'specify "postscreen_tls_security_level"',
  postscreen_use_tls: 'specify "postscreen_tls_security_level"',
  postscreen_whitelist_interfaces: 'specify "postscreen_allowlist_interfaces"',
  smtp_cname_overrides_servername: 'do not specify',
  smtp_enforce_tls: 'specify "smtp_tls_security_level"',
  smtp_per_record_deadline: 'specify "smtp_per_request_deadline"',
  smtp_tls_enforce_peername: 'specify "smtp_tls_security_level"',
  smtp_tls_per_site: 'specify "smtp_tls_policy_maps"',
  smtp_use_tls: 'specify "smtp_tls_security_level"',
  smtpd_client_connection_limit_exceptions: 'specify "smtpd_client_event_limit_exceptions"',
  smtpd_enforce_tls: 'specify "smtpd_tls_security_level"',
  smtpd_per_record_deadline: 'specify "smtpd_per_request_deadline"',
  smtpd_tls_dh1024_param_file: 'do not specify (leave at default)',
  smtpd_tls_eecdh_grade: 'do not specify (leave at default)',
  smtpd_use_tls: 'specify "smtpd_tls_security_level"',
  tlsproxy_client_enforce_tls: 'specify "tlsproxy_client_security_level"',
  tlsproxy_client_level: 'specify "tlsproxy_client_security_level"',
  tlsproxy_client_per_site: 'specify "tlsproxy_client_policy_maps"',
  tlsproxy_client_policy: 'specify "tlsproxy_client_policy_maps"',
  tlsproxy_client_use_tls: 'specify "tlsproxy_client_security_level"',
  tlsproxy_enforce_tls: 'specify "tlsproxy_tls_security_level"',
  tlsproxy_use_tls: 'specify "tlsproxy_tls_security_level"',
  virtual_maps: 'specify "virtual_alias_maps"',
}

/** Where to read more; printed once after the warnings. */
export const DEPRECATION_PAGE = 'See https://www.postfix.org/DEPRECATION_README.html for details'

/** What to do in place of setting `name`, if it is deprecated. */
export function deprecationAdvice(name: string): string | undefined {
  return Object.hasOwn(ADVICE, name) ? ADVICE[name] : undefined
}
