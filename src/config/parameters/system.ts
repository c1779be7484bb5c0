/**
 * Parameters: the machine: host names and networks, processes, internal services, queue, logging.
 *
 * Names, kinds, bounds and defaults are those of Postfix 3.11.7 as Debian builds it.
 *
 * @module
 */
import { bool, int, long, raw, str, time } from '#config/parameter.ts'

/** See the head of this file. */
export const SYSTEM_PARAMETERS = {
  anvil_rate_time_unit: time('60s', { min: 1 }),
  anvil_status_update_time: time('600s', { min: 1 }),
  berkeley_db_create_buffer_size: int(16_777_216, { min: 1 }),
  berkeley_db_read_buffer_size: int(131_072, { min: 1 }),
  command_directory: str('/usr/sbin', { min: 1 }),
  command_execution_directory: raw(''),
  command_expansion_filter: str(
    '1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ',
    { min: 1 },
  ),
  command_time_limit: time('1000s', { min: 1 }),
  config_directory: str('/etc/postfix'),
  connection_cache_protocol_timeout: time('5s', { min: 1 }),
  connection_cache_service_name: str('scache', { min: 1 }),
  connection_cache_status_update_time: time('600s', { min: 1 }),
  connection_cache_ttl_limit: time('2s', { min: 1 }),
  daemon_directory: str('/usr/lib/postfix/sbin', { min: 1 }),
  daemon_table_open_error_is_fatal: bool('no'),
  daemon_timeout: time('18000s', { min: 1 }),
  dns_ncache_ttl_fix_enable: bool('no'),
  dnsblog_reply_delay: time('0s'),
  dnsblog_service_name: str('dnsblog', { min: 1 }),
  dnssec_probe: str('ns:.'),
  fast_flush_domains: str('$relay_domains'),
  fast_flush_purge_time: time('7d', { min: 1 }),
  fast_flush_refresh_time: time('12h', { min: 1 }),
  flush_service_name: str('flush', { min: 1 }),
  inet_interfaces: str('all'),
  inet_protocols: str('all'),
  ipc_idle: time('5s', { min: 1 }),
  ipc_timeout: time('3600s', { min: 1 }),
  ipc_ttl: time('1000s', { min: 1 }),
  lmdb_map_size: long(16_777_216, { min: 1 }),
  maillog_file: str(''),
  maillog_file_compressor: str('gzip', { min: 1 }),
  maillog_file_permissions: str('0600', { min: 1 }),
  maillog_file_prefixes: str('/var, /dev/stdout', { min: 1 }),
  maillog_file_rotate_suffix: str('%Y%m%d-%H%M%S', { min: 1 }),
  max_idle: time('100s', { min: 1 }),
  max_use: int(100, { min: 1 }),
  multi_instance_directories: str(''),
  multi_instance_enable: bool('no'),
  multi_instance_group: str(''),
  multi_instance_name: str(''),
  multi_instance_wrapper: str(''),
  mydestination: str('$myhostname, localhost.$mydomain, localhost'),
  mydomain: str('', { min: 1 }),
  myhostname: str('', { min: 1 }),
  mynetworks: str(''),
  mynetworks_style: str('${{$compatibility_level} <level {2} ? {subnet} : {host}}', { min: 1 }),
  myorigin: str('$myhostname', { min: 1 }),
  postlog_service_name: str('postlog', { min: 1 }),
  postlogd_watchdog_timeout: time('10s', { min: 10 }),
  postmulti_control_commands: str('reload flush'),
  postmulti_start_commands: str('start'),
  postmulti_stop_commands: str('stop abort drain quick-stop'),
  process_id: str(''),
  process_id_directory: str('pid', { min: 1 }),
  process_name: str(''),
  proxy_interfaces: str(''),
  proxy_read_maps: str(
    '$local_recipient_maps $mydestination $virtual_alias_maps $virtual_alias_domains '
    + '$virtual_mailbox_maps $virtual_mailbox_domains $relay_recipient_maps $relay_domains '
    + '$canonical_maps $sender_canonical_maps $recipient_canonical_maps $relocated_maps '
    + '$transport_maps $mynetworks $smtpd_sender_login_maps $sender_bcc_maps $recipient_bcc_maps '
    + '$smtp_generic_maps $lmtp_generic_maps $alias_maps $smtpd_client_restrictions '
    + '$smtpd_helo_restrictions $smtpd_sender_restrictions $smtpd_relay_restrictions '
    + '$smtpd_recipient_restrictions $address_verify_sender_dependent_default_transport_maps '
    + '$address_verify_sender_dependent_relayhost_maps $address_verify_transport_maps '
    + '$fallback_transport_maps $lmtp_discard_lhlo_keyword_address_maps $lmtp_pix_workaround_maps '
    + '$lmtp_sasl_password_maps $lmtp_tls_policy_maps $mailbox_command_maps '
    + '$mailbox_transport_maps $postscreen_discard_ehlo_keyword_address_maps $rbl_reply_maps '
    + '$sender_dependent_default_transport_maps $sender_dependent_relayhost_maps '
    + '$smtp_discard_ehlo_keyword_address_maps $smtp_pix_workaround_maps $smtp_sasl_password_maps '
    + '$smtp_tls_policy_maps $smtpd_discard_ehlo_keyword_address_maps $smtpd_milter_maps '
    + '$virtual_gid_maps $virtual_uid_maps $local_login_sender_maps $postscreen_reject_footer_maps '
    + '$smtpd_reject_footer_maps $tls_server_sni_maps $tlsproxy_client_policy_maps '
    + '$default_delivery_status_filter $lmtp_delivery_status_filter $lmtp_dns_reply_filter '
    + '$lmtp_reply_filter $local_delivery_status_filter $pipe_delivery_status_filter '
    + '$postscreen_command_filter $smtp_delivery_status_filter $smtp_dns_reply_filter '
    + '$smtp_reply_filter $smtpd_command_filter $smtpd_dns_reply_filter '
    + '$virtual_delivery_status_filter $body_checks $header_checks $lmtp_body_checks '
    + '$lmtp_header_checks $lmtp_mime_header_checks $lmtp_nested_header_checks '
    + '$milter_header_checks $mime_header_checks $nested_header_checks $smtp_body_checks '
    + '$smtp_header_checks $smtp_mime_header_checks $smtp_nested_header_checks '
    + '$smtpd_reject_filter_maps $debug_peer_list $smtpd_etrn_restrictions $fast_flush_domains '
    + '$authorized_flush_users $lmtp_connection_cache_destinations $local_header_rewrite_clients '
    + '$masquerade_exceptions $postscreen_access_list $postscreen_allowlist_interfaces '
    + '$postscreen_forbidden_commands $qmqpd_authorized_clients $authorized_mailq_users '
    + '$smtp_connection_cache_destinations $smtpd_log_access_permit_actions '
    + '$smtpd_forbidden_commands $smtpd_client_event_limit_exceptions '
    + '$smtpd_sasl_exceptions_networks $smtpd_sasl_mechanism_filter $smtp_requiretls_policy '
    + '$smtp_sasl_mechanism_filter $authorized_submit_users $smtpd_authorized_verp_clients '
    + '$smtpd_authorized_xclient_hosts $smtpd_authorized_xforward_hosts',
  ),
  proxy_write_maps: str(
    '$smtp_sasl_auth_cache_name $lmtp_sasl_auth_cache_name $address_verify_map '
    + '$postscreen_cache_map',
  ),
  proxymap_service_name: str('proxymap', { min: 1 }),
  proxywrite_service_name: str('proxywrite', { min: 1 }),
  qmqpd_authorized_clients: str(''),
  qmqpd_client_port_logging: bool('no'),
  qmqpd_error_delay: time('1s'),
  qmqpd_timeout: time('300s', { min: 1 }),
  queue_directory: str('/var/spool/postfix', { min: 1 }),
  queue_file_attribute_count_limit: int(100, { min: 1 }),
  queue_minfree: long(0),
  queue_run_delay: time('300s', { min: 1 }),
  queue_service_name: str('qmgr', { min: 1 }),
  service_name: str('amnesiac'),
  service_throttle_time: time('60s', { min: 1 }),
  socketmap_max_reply_size: int(100_000, { min: 1 }),
  syslog_facility: str('mail', { min: 1 }),
  syslog_name: str('${multi_instance_name?{$multi_instance_name}:{postfix}}', { min: 1 }),
  tcp_windowsize: int(0),
  trigger_timeout: time('10s', { min: 1 }),
} as const
