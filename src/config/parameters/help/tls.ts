/**
 * One line of help for each parameter of tls.ts; those that repeat another client's are made in help.ts.
 *
 * @module
 */
import type { TLS_PARAMETERS } from '#config/parameters/tls.ts'

/** See the head of this file. */
export const TLS_HELP: Partial<Record<keyof typeof TLS_PARAMETERS, string>> = {
  tls_append_default_CA: "Whether the system's certificate authorities count besides the given ones.",
  tls_config_file: 'OpenSSL configuration file: default, none or a path.',
  tls_config_name: 'Section of the OpenSSL configuration.',
  tls_daemon_random_bytes: 'Random bytes that a process takes from tlsmgr.',
  tls_dane_digests: 'Digests of TLSA records, best first.',
  tls_disable_workarounds: 'OpenSSL work-arounds to switch off.',
  tls_eecdh_auto_curves: 'Elliptic curves that are offered.',
  tls_eecdh_strong_curve: 'Curve of the grade strong.',
  tls_eecdh_ultra_curve: 'Curve of the grade ultra.',
  tls_export_cipherlist: 'Ciphers of the grade export, which is gone.',
  tls_fast_shutdown_enable: 'Whether closing TLS does not wait for the other side.',
  tls_ffdhe_auto_groups: 'Finite-field groups that are offered.',
  tls_high_cipherlist: 'Ciphers of the grade high.',
  tls_low_cipherlist: 'Ciphers of the grade low, which is gone.',
  tls_medium_cipherlist: 'Ciphers of the grade medium.',
  tls_null_cipherlist: 'Ciphers of the grade null, without encryption.',
  tls_preempt_cipherlist: "Whether the server's order of ciphers counts.",
  tls_random_bytes: 'Random bytes that tlsmgr reads at a time.',
  tls_random_exchange_name: 'File that keeps random state over restarts.',
  tls_random_prng_update_period: 'Time between two writes of that file.',
  tls_random_reseed_period: 'Longest time between two reads of random bytes.',
  tls_random_source: 'Where random bytes come from.',
  tls_required_enable: 'Whether a "TLS-Required: no" header is honoured.',
  tls_server_sni_maps: 'Tables with keys and certificates by SNI name.',
  tls_session_ticket_cipher: 'Cipher of session tickets.',
  tls_ssl_options: 'OpenSSL options to switch on.',
  tls_wildcard_matches_multiple_labels: 'Whether *.example.com also matches a.b.example.com.',
  tlsmgr_service_name: 'Name of the service with random bytes and TLS sessions.',
  tlsproxy_client_CAfile: 'Value of smtp_tls_CAfile in tlsproxy.',
  tlsproxy_client_enforce_tls: 'Value of smtp_enforce_tls in tlsproxy.',
  tlsproxy_client_loglevel_parameter: 'Name of the parameter that tlsproxy_client_loglevel follows.',
  tlsproxy_client_per_site: 'Value of smtp_tls_per_site in tlsproxy.',
  tlsproxy_client_policy_maps: 'Value of smtp_tls_policy_maps in tlsproxy.',
  tlsproxy_client_security_level: 'Value of smtp_tls_security_level in tlsproxy.',
  tlsproxy_client_use_tls: 'Value of smtp_use_tls in tlsproxy.',
  tlsproxy_enforce_tls: 'Value of smtpd_enforce_tls in tlsproxy.',
  tlsproxy_service_name: 'Name of the service that encrypts for others.',
  tlsproxy_use_tls: 'Value of smtpd_use_tls in tlsproxy.',
  tlsproxy_watchdog_timeout: 'Longest time tlsproxy may take for one step.',
}
