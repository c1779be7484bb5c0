/**
 * A message that is requeued gets a new id; the log of its recipients that bounced has the old one.
 *
 * @module
 */
import { errnoText } from '#system/errno.ts'
import { files, O_RDWR } from '#system/files.ts'
import { log } from '#system/log.ts'
import { logSize, readLog } from './logs.ts'
import { markOpen } from './mark.ts'
import { queuePath, type QueueId, type QueueName, type Spool } from './spool.ts'

/**
 * Recipients that bounced, and of whom no notice was made yet, are to be tried again. Postfix forgets them here: nobody
 * ever hears of them. The log stays, as Postfix's does: without it a crash could take both the log and the new mark.
 */
export function reopenBounced(spool: Spool, queue: QueueName, id: QueueId): void {
  if (logSize(spool, 'bounce', id) === undefined) return
  try {
    const fd = files.open(queuePath(spool, queue, id), O_RDWR)
    try {
      for (const { offset } of readLog(spool, 'bounce', id)) if (offset !== undefined) markOpen(fd, offset)
    } finally {
      files.close(fd)
    }
  } catch (error) {
    log.warning(`${id}: recipients that bounced are not tried again: ${errnoText(error)}`)
  }
}
