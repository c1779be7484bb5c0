/**
 * The end of a session: what is given up, and what the log says of it.
 *
 * @module
 */
import type { Session } from './session.ts'

/**
 * Ends a session; the last lines of it are logged.
 *
 * @param contentBytes Bytes of content that had arrived, when the session ended within content.
 */
export function endSession(session: Session, contentBytes: number | undefined): void {
  const { settings, ports: { log }, endReason, where } = session
  // A client that leaves without QUIT after its message does no harm.
  if (endReason !== undefined && !(endReason === 'lost connection' && where === 'END-OF-MESSAGE')) {
    const place = contentBytes === undefined ? where : `${where} (${contentBytes} bytes)`
    const prefix = settings.oldLog ? '' : `${session.queueId ?? 'NOQUEUE'}: `
    log.info(`${prefix}${endReason} after ${place} from ${session.clientLabel}`)
  }
  const notes = session.bareNewlineNoted ? ' notes=bare_lf' : ''
  log.info(`disconnect from ${session.clientLabel} ${session.counters.summary()}${notes}`)
  session.endTranscript(0)
  session.resetHelo()
  session.resetSasl()
}
