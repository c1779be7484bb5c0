/**
 * Parameters of Posthorn's own. None changes the meaning of a Postfix parameter, and the defaults
 * behave as Postfix does.
 *
 * `<service>_worker_processes` also exists for every service of master.cf; read it with Config.dynamicInt().
 *
 * @module
 */
import { extension, int, str } from '#config/parameter.ts'

/** See the head of this file. `postconf -C extension` lists them. */
export const EXTENSION_PARAMETERS = {
  // 3.11 or 3.7: the log line forms of that Postfix version, for log readers that know only the older ones.
  maillog_compatibility: extension(str('3.11', { min: 1 })),
  // postfix or json.
  maillog_format: extension(str('postfix', { min: 1 })),
  // host:port list of DNS servers; empty: those of resolv.conf.
  posthorn_dns_servers: extension(str('')),
  posthorn_version: extension(str('0.1.0', { min: 1 })),
  // journal or fsync: how an accepted message becomes durable.
  queue_commit: extension(str('journal', { min: 1 })),
  smtpd_sasl_password_file: extension(str('$config_directory/sasl_passwd_users')),
  // 0: the number of CPUs for smtpd, smtp, relay and lmtp; 1 for every other service.
  worker_processes: extension(int(0)),
} as const
