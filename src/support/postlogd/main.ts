/**
 * postlogd: writes log lines for programs that may not write the log themselves.
 *
 * Talks to:      set-gid commands, workers in a chroot, and programs of Postfix: datagrams on public/postlog.
 * Reads, writes: maillog_file, or syslog when that is empty; standard output under `postfix start-fg`.
 * Privileges:    opens the file as root, then runs as mail_owner.
 * Diagnostics:   a line that cannot be written is kept until the next one.
 * Standards:     RFC 3164 (syslog).
 *
 * @module
 */
import { runWorker } from '#service/worker.ts'
import { setup } from './service.ts'

await runWorker('postlogd', setup)
