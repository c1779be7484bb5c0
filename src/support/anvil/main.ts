/**
 * anvil: counts connections and other events of SMTP clients, for all workers together.
 *
 * Talks to:      smtpd (service/anvil).
 * Reads, writes: nothing; the counts are in memory, and gone with the process.
 * Privileges:    mail_owner; needs nothing of root.
 * Diagnostics:   `statistics: max …` every anvil_status_update_time, and at the end.
 * Standards:     anvil(8) of Postfix: names, log lines.
 */
import { isAnvilRequest, type AnvilReply, type AnvilRequest } from '#service/anvil.ts'
import { serveConversation } from '#service/conversation.ts'
import { runWorker, type WorkerSetup } from '#service/worker.ts'
import { log } from '#system/log.ts'
import { ClientCounts } from './counts.ts'
import { reportLines } from './report.ts'

/** The service. */
export const setup: WorkerSetup = ({ config }) => {
  const unitSeconds = config.time('anvil_rate_time_unit')
  const counts = new ClientCounts(unitSeconds * 1000)
  const report = (): void => {
    for (const line of reportLines(counts, unitSeconds)) log.info(line)
  }
  const timer = setInterval(report, config.time('anvil_status_update_time') * 1000)
  timer.unref()
  process.on('exit', report)
  return {
    // Its limit of one process is no limit on the workers that ask. Their counts end with it, so it does not end by
    // itself.
    counted: false,
    maxIdle: 0,
    connection: (socket) => {
      const connected: string[] = []
      // A worker that dies takes its clients with it.
      socket.on('close', () => {
        for (const client of connected) counts.take('disconnect', client, Date.now())
      })
      serveConversation<AnvilRequest, AnvilReply>(socket, isAnvilRequest, ({ items }) => {
        const now = Date.now()
        return { counts: items.map(({ event, client }) => {
          if (event === 'connect') connected.push(client)
          if (event === 'disconnect') forget(connected, client)
          return counts.take(event, client, now)
        }) }
      })
    },
    drain: () => {
      clearInterval(timer)
      process.off('exit', report)
      report()
      return Promise.resolve()
    },
  }
}

function forget(connected: string[], client: string): void {
  const at = connected.lastIndexOf(client)
  if (at < 0) return
  const last = connected.pop()
  if (last !== undefined && at < connected.length) connected[at] = last
}

if (import.meta.main) await runWorker('anvil', setup)
