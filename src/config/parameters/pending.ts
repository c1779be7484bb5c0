/**
 * Parameters that this version reads and does not act on yet. A site that sets one is told so at start, and
 * `postconf -C pending` lists them; none is ignored in silence. test/checks/parameters.test.ts compares the list
 * with the sources.
 *
 * @module
 */

/** Names of their own; an lmtp_ parameter goes with its smtp_ twin. */
const NAMES: ReadonlySet<string> = new Set([
  'biff', 'connection_cache_protocol_timeout', 'connection_cache_service_name',
  'connection_cache_status_update_time', 'connection_cache_ttl_limit', 'cyrus_sasl_config_path',
  'daemon_table_open_error_is_fatal', 'daemon_timeout', 'debug_peer_level', 'debug_peer_list', 'debugger_command',
  'default_cache_db_type', 'default_delivery_slot_cost', 'default_delivery_slot_discount',
  'default_delivery_slot_loan', 'default_delivery_status_filter', 'default_extra_recipient_limit',
  'default_minimum_delivery_slots', 'default_recipient_refill_delay', 'default_recipient_refill_limit',
  'destination_concurrency_feedback_debug', 'dns_ncache_ttl_fix_enable', 'dnsblog_reply_delay',
  'dnsblog_service_name', 'dnssec_probe', 'enable_idna2003_compatibility',
  'fault_injection_code', 'force_mime_input_conversion', 'fork_attempts', 'fork_delay', 'in_flow_delay',
  'internal_mail_filter_classes', 'ipc_ttl', 'local_delivery_status_filter', 'maps_rbl_domains',
  'multi_instance_enable', 'multi_instance_group', 'multi_instance_name', 'multi_instance_wrapper',
  'pipe_delivery_status_filter', 'postlogd_watchdog_timeout', 'postmulti_control_commands',
  'postmulti_start_commands', 'postmulti_stop_commands', 'process_id_directory', 'qmgr_clog_warn_time',
  'qmgr_daemon_timeout', 'qmgr_fudge_factor', 'qmgr_ipc_timeout', 'qmgr_message_recipient_minimum',
  'qmqpd_authorized_clients', 'qmqpd_client_port_logging', 'qmqpd_error_delay', 'qmqpd_timeout',
  'reject_tempfail_action', 'requiretls_redact_dsn', 'respectful_logging', 'send_cyrus_sasl_authzid',
  'smtp_cname_overrides_servername', 'smtp_delivery_status_filter', 'smtp_min_data_rate', 'smtp_sasl_auth_cache_time', 'smtp_sasl_path',
  'smtp_sasl_tls_verified_security_options', 'smtp_sasl_type', 'smtp_tls_block_early_mail_reply',
  'smtp_tls_dane_insecure_mx_policy', 'smtp_tls_enable_rpk', 'smtp_tls_enforce_sts_mx_patterns',
  'smtp_tls_fingerprint_cert_match', 'smtp_tls_fingerprint_digest', 'smtp_tls_force_insecure_host_tlsa_lookup',
  'smtp_tls_scert_verifydepth', 'smtp_tlsrpt_enable', 'smtp_tlsrpt_skip_reused_handshakes', 'smtpd_dns_reply_filter',
  'smtpd_milter_maps', 'smtpd_proxy_ehlo', 'smtpd_proxy_options',
  'smtpd_proxy_timeout', 'smtpd_service_name', 'smtpd_tls_always_issue_session_ids', 'smtpd_tls_ccert_verifydepth',
  'smtpd_tls_dh1024_param_file', 'smtpd_tls_dh512_param_file', 'smtpd_tls_eecdh_grade', 'smtpd_tls_enable_rpk', 'smtpd_tls_session_cache_database',
  'sun_mailtool_compatibility', 'tcp_windowsize', 'tls_config_file',
  'tls_config_name', 'tls_daemon_random_bytes', 'tls_dane_digests', 'tls_disable_workarounds',
  'tls_eecdh_auto_curves', 'tls_eecdh_strong_curve', 'tls_eecdh_ultra_curve', 'tls_export_cipherlist',
  'tls_fast_shutdown_enable', 'tls_ffdhe_auto_groups', 'tls_low_cipherlist', 'tls_random_bytes',
  'tls_random_exchange_name', 'tls_random_prng_update_period', 'tls_random_reseed_period', 'tls_random_source',
  'tls_session_ticket_cipher', 'tls_ssl_options', 'tls_wildcard_matches_multiple_labels', 'tlsmgr_service_name',
  'virtual_delivery_status_filter',
])

/** Families of services that this version does not have: postscreen, tlsproxy, verify, filters, re-indexing. */
const PREFIXES: readonly string[] = ['postscreen_', 'tlsproxy_', 'non_bdb_', 'address_verify_', 'milter_']

/** Of those families, what is used all the same. */
const USED: ReadonlySet<string> = new Set(['milter_default_action'])

/** Names of places and facts for people and for other programs: there is nothing to act on. */
export const INFORMATION: ReadonlySet<string> = new Set([
  'html_directory', 'mail_release_date', 'mailq_path', 'manpage_directory', 'newaliases_path', 'openssl_path',
  'readme_directory', 'sample_directory', 'sendmail_path', 'shlib_directory', 'dont_remove', 'posthorn_version',
  'berkeley_db_create_buffer_size', 'berkeley_db_read_buffer_size', 'rewrite_service_name',
])

/** Whether a parameter has no effect yet. */
export function isPending(name: string): boolean {
  if (USED.has(name)) return false
  if (PREFIXES.some((prefix) => name.startsWith(prefix))) return true
  return NAMES.has(name) || (name.startsWith('lmtp_') && NAMES.has(`smtp_${name.slice('lmtp_'.length)}`))
}
