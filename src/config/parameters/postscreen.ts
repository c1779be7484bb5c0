/**
 * Parameters: postscreen.
 *
 * Names, kinds, bounds and defaults are those of Postfix 3.11.7 as Debian builds it.
 *
 * @module
 */
import { bool, int, nbool, nint, raw, str, time } from '#config/parameter.ts'

/** See the head of this file. */
export const POSTSCREEN_PARAMETERS = {
  postscreen_access_list: str('permit_mynetworks'),
  postscreen_allowlist_interfaces: str(
    '${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}',
  ),
  postscreen_bare_newline_action: str('ignore', { min: 1 }),
  postscreen_bare_newline_enable: bool('no'),
  postscreen_bare_newline_ttl: time('30d', { min: 1 }),
  postscreen_cache_cleanup_interval: time('12h'),
  postscreen_cache_map: str('$default_cache_db_type:$data_directory/postscreen_cache'),
  postscreen_cache_retention_time: time('7d', { min: 1 }),
  postscreen_client_connection_count_limit: nint('$smtpd_client_connection_count_limit'),
  postscreen_command_count_limit: int(20, { min: 1 }),
  postscreen_command_filter: str(''),
  postscreen_command_time_limit: time('${stress?{10}:{300}}s', { min: 1 }),
  postscreen_denylist_action: str(
    '${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}',
    { min: 1 },
  ),
  postscreen_disable_vrfy_command: nbool('$disable_vrfy_command'),
  postscreen_discard_ehlo_keyword_address_maps: str('$smtpd_discard_ehlo_keyword_address_maps'),
  postscreen_discard_ehlo_keywords: str('$smtpd_discard_ehlo_keywords'),
  postscreen_dnsbl_action: str('ignore', { min: 1 }),
  postscreen_dnsbl_allowlist_threshold: nint(
    '${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}',
  ),
  postscreen_dnsbl_max_ttl: time('${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h', { min: 1 }),
  postscreen_dnsbl_min_ttl: time('60s', { min: 1 }),
  postscreen_dnsbl_reply_map: str(''),
  postscreen_dnsbl_sites: str(''),
  postscreen_dnsbl_threshold: int(1, { min: 1 }),
  postscreen_dnsbl_timeout: time('10s', { min: 1 }),
  postscreen_enforce_tls: nbool('$smtpd_enforce_tls'),
  postscreen_expansion_filter: raw('$smtpd_expansion_filter', { min: 1 }),
  postscreen_forbidden_commands: str('$smtpd_forbidden_commands'),
  postscreen_greet_action: str('ignore', { min: 1 }),
  postscreen_greet_banner: str('$smtpd_banner'),
  postscreen_greet_ttl: time('1d', { min: 1 }),
  postscreen_greet_wait: time('${stress?{2}:{6}}s', { min: 1 }),
  postscreen_helo_required: nbool('$smtpd_helo_required'),
  postscreen_non_smtp_command_action: str('drop', { min: 1 }),
  postscreen_non_smtp_command_enable: bool('no'),
  postscreen_non_smtp_command_ttl: time('30d', { min: 1 }),
  postscreen_pipelining_action: str('enforce', { min: 1 }),
  postscreen_pipelining_enable: bool('no'),
  postscreen_pipelining_ttl: time('30d', { min: 1 }),
  postscreen_post_queue_limit: nint('$default_process_limit', { min: 5 }),
  postscreen_pre_queue_limit: nint('$default_process_limit', { min: 10 }),
  postscreen_reject_footer: raw('$smtpd_reject_footer'),
  postscreen_reject_footer_maps: str('$smtpd_reject_footer_maps'),
  postscreen_tls_security_level: str('$smtpd_tls_security_level'),
  postscreen_upstream_proxy_protocol: str(''),
  postscreen_upstream_proxy_timeout: time('5s', { min: 1 }),
  postscreen_use_tls: nbool('$smtpd_use_tls'),
  postscreen_watchdog_timeout: time('10s', { min: 10 }),
} as const
