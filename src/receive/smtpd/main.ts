/**
 * smtpd: receives mail by SMTP.
 *
 * Talks to:      SMTP clients; cleanup, linked in; qmgr (public/qmgr); anvil, flush, verify; policy servers; Dovecot's
 *                authentication service; name servers.
 * Reads, writes: new messages in incoming; main.cf, tables, certificates and the password file, most of them before it
 *                gives up its rights. With -S (sendmail -bs) it talks SMTP on standard input and output with the rights
 *                of the caller, and mail goes to postdrop.
 * Privileges:    starts as root to read keys and tables; becomes mail_owner, and changes its root where master.cf says
 *                so, before the first byte of a client is read.
 * Diagnostics:   connect, client=, rejects, disconnect with counters; warnings for clients that break the protocol;
 *                mail to postmaster about them, as notify_classes says.
 * Standards:     RFC 5321 (SMTP), 1870 (SIZE), 1985 (ETRN), 2034 and 3463 (status codes), 2920 (PIPELINING), 3030
 *                (CHUNKING), 3207 (STARTTLS), 3461 (DSN), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8), 8689 (REQUIRETLS).
 */
import { openCleanup } from '#cleanup/cleanup.ts'
import { cleanupConfig } from '#cleanup/service-config.ts'
import { openResolver } from '#network/dns.ts'
import { openSpool } from '#queue/spool.ts'
import { AnvilClient } from '#service/anvil.ts'
import { ErrorNotices } from '#service/error-notice.ts'
import { runWorker, type WorkerSetup } from '#service/worker.ts'
import { SmtpServer } from './server.ts'
import { SmtpdService, type ServiceTools } from './service.ts'
import { runStandAlone } from './stand-alone.ts'
import { warnAboutSettings } from './warnings.ts'

/** The handlers of the service: one server for each set of parameters (calm, and under stress). */
export const setup: WorkerSetup = (worker) => {
  const { config, common, service, args } = worker
  if (args.length > 0) throw new Error(`unexpected command-line argument: ${args[0]}`)
  const cleanup = openCleanup(
    cleanupConfig(common, config.str('cleanup_service_name')), { spool: openSpool(config, '.') },
  )
  const notices = new ErrorNotices(config, cleanup)
  const tools: ServiceTools = {
    serviceName: service.name, cleanup, notices,
    anvil: new AnvilClient(),
    resolver: openResolver({ servers: config.list('posthorn_dns_servers') }),
  }
  const calm = new SmtpdService(config, tools)
  const tense = new SmtpdService(config.withOverrides(new Map([['stress', 'yes']])), tools, calm)
  warnAboutSettings(calm.settings)
  const contexts = new Set([calm.tls, tense.tls].filter((tls) => tls !== undefined))
  if (contexts.size > 0) worker.useTicketKeys((keys) => {
    for (const tls of contexts) tls.setTicketKeys(keys)
  })
  const servers = { calm: new SmtpServer(calm), tense: new SmtpServer(tense) }
  return {
    halfOpen: true,
    connection: (socket) => (worker.stress ? servers.tense : servers.calm).serve(socket),
    drain: () => notices.idle(),
  }
}

if (import.meta.main) {
  if (process.argv.slice(2).some((word) => /^-[A-Za-z]*S/.test(word))) await runStandAlone()
  else await runWorker('smtpd', setup)
}
