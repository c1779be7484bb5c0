/**
 * One line of help for each parameter of extensions.ts; those that repeat another client's are made in help.ts.
 *
 * @module
 */
import type { EXTENSION_PARAMETERS } from '#config/parameters/extensions.ts'

/** See the head of this file. */
export const EXTENSION_HELP: Partial<Record<keyof typeof EXTENSION_PARAMETERS, string>> = {
  maillog_compatibility:
    'Version whose log line forms are written, for log readers that know only the older ones: 3.11 or 3.7.',
  maillog_format: "Form of the log: postfix for Postfix's lines, json for one object a line.",
  posthorn_dns_servers: 'DNS servers as host:port; empty takes those of resolv.conf.',
  posthorn_version: 'Version of Posthorn.',
  queue_commit: 'How an accepted message becomes durable: journal (one write for many messages) or fsync (each file).',
  smtpd_sasl_password_file: 'File with users and passwords, made with posthorn-passwd.',
  worker_processes: 'Processes of each service; 0 is one for each CPU for smtpd, smtp, relay and lmtp, else one.',
}
