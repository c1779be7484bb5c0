/**
 * qmgr: the queue manager. Takes messages from the incoming and deferred queues, finds out where each recipient
 * goes, and hands them to delivery agents, as many at a time as each destination bears.
 *
 * What is delivered is removed; what can't be delivered now is deferred and tried again, with waits that grow
 * with its age; what is too old, or was refused for good, is returned to its sender. Messages on hold are not
 * looked at.
 *
 * Talks to:      delivery agents (service/deliver); bounce, defer, trace (service/bounce-client); receivers that
 *                announce new mail, and triggers, on public/qmgr: W and I scan incoming, D scans deferred, F
 *                forgets dead destinations and lets defer_transports go, A takes messages before their time.
 * Reads, writes: moves files between incoming/, active/, deferred/ and corrupt/; removes them from active/;
 *                removes stale logs in defer/. Time stamps of deferred/ are the times of the next attempts.
 * Privileges:    mail_owner; needs no network.
 * Diagnostics:   a line when a message becomes active and when it is removed; a damaged file is kept in corrupt/
 *                with a warning; a transport without agent is a warning, and its mail waits.
 * Standards:     RFC 5321 §4.5.4 (retry), RFC 3461 (delivery status notifications).
 */
import { isQueueId } from '#queue/spool.ts'
import { isIntakeNotice } from '#service/intake.ts'
import { runWorker } from '#service/worker.ts'
import { QueueManager } from './manager.ts'

await runWorker('qmgr', ({ config }) => {
  const manager = new QueueManager(config)
  return {
    trigger: (bytes) => manager.trigger(bytes),
    frame: (message) => {
      if (isIntakeNotice(message)) manager.announce(message.ids.filter((id) => isQueueId(id)))
    },
    started: () => manager.start(),
    drain: () => manager.stop(),
    orphaned: () => manager.abandon(),
    maxIdle: 0,
  }
})
