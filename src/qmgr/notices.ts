/**
 * Notices about a message, asked of the services bounce, defer and trace.
 *
 * @module
 */
import { files, O_RDWR } from '#system/files.ts'
import { killTrace } from '#queue/mark.ts'
import { queuePath, type Spool } from '#queue/spool.ts'
import type { BounceClient, NoticeMessage } from '#service/bounce-client.ts'
import type { ActiveMessage, NoticeTools } from './active-message.ts'

/** @param verpBounces False with disable_verp_bounces: one notice for all recipients. */
export function noticeTools(client: BounceClient, spool: Spool, verpBounces: boolean): NoticeTools {
  const failure = (log: 'bounce' | 'defer', message: ActiveMessage): Promise<void> => {
    const { verp } = message.envelope
    if (verp !== undefined && verpBounces) return client.verp(log, facts(message), verp)
    return client.flush(log, facts(message))
  }
  return {
    bounce: (message) => failure('bounce', message),
    expire: (message) => failure('defer', message),
    warn: (message) => client.warn(facts(message)),
    trace: async (message) => {
      await client.trace(facts(message))
      strikeOut(message, spool)
    },
  }
}

function facts({ id, envelope }: ActiveMessage): NoticeMessage {
  const { encoding, sendOptions, sender, envelopeId, retFlags } = envelope
  return { queueName: 'active', queueId: id, encoding, sendOptions, sender, envelopeId, retFlags }
}

/** A report that was asked for once is not made again at the next attempt. */
function strikeOut({ id, envelope }: ActiveMessage, spool: Spool): void {
  if (envelope.traceOffset === undefined) return
  const fd = files.open(queuePath(spool, 'active', id), O_RDWR)
  try {
    killTrace(fd, envelope.traceOffset)
  } finally {
    files.close(fd)
  }
}
