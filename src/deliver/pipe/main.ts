/**
 * pipe: delivers by running a command with the message on its standard input.
 *
 * Talks to:      qmgr (service/deliver); bounce, defer, trace.
 * Reads, writes: marks recipients of files in active/ as done.
 * Privileges:    root, to run the command as the user= of master.cf; that is never root and never mail_owner.
 *                Without root the command runs as this process's user, and user= must name that user.
 * Diagnostics:   sent, deferred or bounced for each recipient, by the exit status of sysexits.h or a status code
 *                at the start of the command's output.
 * Standards:     RFC 3463 (status codes); RFC 9228 (Delivered-To).
 */
import { isRoot } from '#system/users.ts'
import { agentHandlers, agentTools } from '#service/agent.ts'
import { runWorker } from '#service/worker.ts'
import { pipeDelivery } from './deliver.ts'
import { guardedUsers, parsePipeWords } from './settings.ts'

await runWorker('pipe', (worker) => {
  const settings = parsePipeWords(worker.args, worker.service.name, isRoot() ? guardedUsers(worker.config) : [])
  if (!isRoot() && settings.owner.uid !== process.geteuid?.()) {
    throw new Error(`service ${worker.service.name}: user= names another user, and this process is not root`)
  }
  return agentHandlers(worker, agentTools(worker), pipeDelivery(worker, settings))
})
