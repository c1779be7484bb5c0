/**
 * Where messages go: every move between queues, who makes it, and what a crash leaves.
 *
 * Each move is one rename (or one unlink), so that a message is always in exactly one queue;
 * what comes before and after it decides what the next reader finds.
 *
 * How durable each change is when the power fails, beside Postfix ("soon": when the system writes it out, which takes seconds):
 *
 *   change                           here                                             Postfix
 *   acknowledged message             journal or file synced, with all its folders     file synced
 *   removed after delivery           100 ms, the time of a sync (queue_commit =       soon: until then it is
 *                                    journal); soon (fsync)                           delivered again
 *   taken out of maildrop            50 ms, and the time of a sync                    soon: taken in twice until then
 *   recipient mark, delay warning    soon; from the journal it comes back unmarked    soon
 *     mark, killed trace request     for the first minute
 *   bounce, trace log                synced before the mark, name and bytes           synced, its name soon
 *   defer log                        synced, its name soon (no mark depends on it)    synced, its name soon
 *   notice, bounce                   acknowledged like mail before its log goes       the same
 *   deferred, due time, expired      soon: tried again earlier                        soon
 *   flushed (lists, due now)         soon: waits for its time                         soon
 *   postsuper -d -h -H -r -e         when the command ends                            soon
 *
 * After the end of processes alone, kill -9 included, nothing of this is lost: see journal/recover.ts.
 *
 * @module
 */
import type { QueueName } from './spool.ts'

/** Programs that move messages. */
export type Mover = 'sendmail' | 'pickup' | 'cleanup' | 'qmgr' | 'flush' | 'postsuper'

/** `created` and `removed` are the two ends of a message's life. */
export type MoveEnd = QueueName | 'created' | 'removed'

/** One kind of move. */
export type Move = {
  readonly from: MoveEnd
  readonly to: MoveEnd
  readonly by: Mover
  /** When it happens. */
  readonly when: string
  /** What is there after a crash at any moment around it, and who goes on with it. */
  readonly crash: string
}

/** All moves there are. */
export const MOVES = [
  {
    from: 'created', to: 'maildrop', by: 'sendmail', when: 'a local user submits a message',
    crash: 'a file without execute bit: not accepted; postsuper -p purges it after 7 days',
  },
  {
    from: 'created', to: 'incoming', by: 'cleanup', when: 'a message is received or made',
    crash: 'a file without execute bit: not acknowledged; postsuper -p purges it after 7 days',
  },
  {
    from: 'maildrop', to: 'removed', by: 'pickup', when: 'its copy in incoming is durable, or it was refused',
    crash: 'both files: the message is taken in twice, never lost',
  },
  {
    from: 'incoming', to: 'hold', by: 'cleanup', when: 'a check says HOLD, before the message is complete',
    crash: 'a file without execute bit in either queue: not acknowledged',
  },
  {
    from: 'incoming', to: 'removed', by: 'cleanup', when: 'reception fails, or a check says DISCARD',
    crash: 'a file without execute bit: not acknowledged',
  },
  {
    from: 'incoming', to: 'active', by: 'qmgr', when: 'a new message is due',
    crash: 'in incoming or in active: qmgr takes it up at its next start',
  },
  {
    from: 'deferred', to: 'active', by: 'qmgr', when: 'the time stamp is due, or the queue is flushed',
    crash: 'in deferred or in active: qmgr takes it up at its next start',
  },
  {
    from: 'active', to: 'incoming', by: 'qmgr', when: 'qmgr starts; or a delivery agent still holds the lock',
    crash: 'in active or in incoming: qmgr takes it up at its next start',
  },
  {
    from: 'active', to: 'deferred', by: 'qmgr', when: 'recipients are left; the time stamp was set before',
    crash: 'in active: tried again at the next start, recipients marked as done are not',
  },
  {
    from: 'active', to: 'corrupt', by: 'qmgr', when: 'the file makes no sense',
    crash: 'in active: found damaged again at the next start',
  },
  {
    from: 'active', to: 'removed', by: 'qmgr', when: 'no recipient is left, all notices are queued',
    crash: 'in active without recipients to serve, or without execute bit on its way to spare: removed after the next start',
  },
  {
    from: 'deferred', to: 'incoming', by: 'flush', when: 'a destination or a message is flushed; stamped with now',
    crash: 'in deferred, due now: qmgr takes it up with its next scan',
  },
  {
    from: 'incoming', to: 'hold', by: 'postsuper', when: 'postsuper -h', crash: 'in either queue: run it again',
  },
  {
    from: 'active', to: 'hold', by: 'postsuper', when: 'postsuper -h', crash: 'in either queue: run it again',
  },
  {
    from: 'deferred', to: 'hold', by: 'postsuper', when: 'postsuper -h', crash: 'in either queue: run it again',
  },
  {
    from: 'hold', to: 'deferred', by: 'postsuper', when: 'postsuper -H or -f', crash: 'in either queue: run it again',
  },
  {
    from: 'maildrop', to: 'maildrop', by: 'postsuper', when: 'postsuper -s: the name does not match the inode',
    crash: 'under a name that ends in #FIX, which the next run finishes',
  },
  {
    from: 'incoming', to: 'maildrop', by: 'postsuper', when: 'postsuper -r', crash: 'in either queue: run it again',
  },
  {
    from: 'active', to: 'maildrop', by: 'postsuper', when: 'postsuper -r', crash: 'in either queue: run it again',
  },
  {
    from: 'deferred', to: 'maildrop', by: 'postsuper', when: 'postsuper -r', crash: 'in either queue: run it again',
  },
  {
    from: 'hold', to: 'maildrop', by: 'postsuper', when: 'postsuper -r', crash: 'in either queue: run it again',
  },
  {
    from: 'maildrop', to: 'removed', by: 'postsuper', when: 'postsuper -d',
    crash: 'logs go first: the message is there without them, run it again',
  },
  {
    from: 'incoming', to: 'removed', by: 'postsuper', when: 'postsuper -d',
    crash: 'logs go first: the message is there without them, run it again',
  },
  {
    from: 'active', to: 'removed', by: 'postsuper', when: 'postsuper -d',
    crash: 'logs go first: the message is there without them, run it again',
  },
  {
    from: 'deferred', to: 'removed', by: 'postsuper', when: 'postsuper -d',
    crash: 'logs go first: the message is there without them, run it again',
  },
  {
    from: 'hold', to: 'removed', by: 'postsuper', when: 'postsuper -d',
    crash: 'logs go first: the message is there without them, run it again',
  },
] as const satisfies readonly Move[]

/** Whether `by` may move a message from one place to the other. */
export function isMove(by: Mover, from: MoveEnd, to: MoveEnd): boolean {
  return MOVES.some((move: Move) => move.by === by && move.from === from && move.to === to)
}

/** Queues out of which `by` may move messages to `to`, in the order of the table. */
export function sourcesOf(by: Mover, to: MoveEnd): MoveEnd[] {
  return MOVES.filter((move: Move) => move.by === by && move.to === to).map((move) => move.from)
}
