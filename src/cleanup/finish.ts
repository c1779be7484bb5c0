/**
 * The end of a message: into the queue, back to its sender, or nowhere.
 *
 * @module
 */
import { removeLog } from '#queue/logs.ts'
import type { QueueId } from '#queue/spool.ts'
import { log } from '#system/log.ts'
import { isPromise } from '#util/maybe.ts'
import { returnToSender } from './bounce.ts'
import { endExtracted } from './extracted.ts'
import { rejectInput } from './envelope.ts'
import { failWrite } from './output.ts'
import { writeSize } from './size.ts'
import type { MessageState } from './state.ts'
import { CANNOT_BOUNCE, STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** How it went. */
export type CleanupResult = {
  /** Bits of `STATUS`; 0 is success. */
  readonly status: number
  /** Starts with an enhanced status code, or is empty. */
  readonly reason: string
  readonly id: QueueId
  /** Whether the message is in the incoming queue now: not on hold, not discarded, not returned. */
  readonly queued: boolean
}

/** Carries out the end of the message. The queue file is closed afterwards. */
export async function finishMessage(state: MessageState): Promise<CleanupResult> {
  if (state.ok) await completeMessage(state)
  // Who asks for a message to be dropped wants no complaints about it.
  if (state.discard) state.errors = 0
  if (state.errors !== 0 && canBounce(state)) await returnToSender(state)
  if (state.errors === 0 && !state.discard) await commitMessage(state)
  else removeMessage(state, state.discard ? 'discarded' : 'canceled')
  log.flush()
  const queued = state.errors === 0 && !state.discard && !state.hold
  return { status: state.errors, reason: state.reason ?? '', id: state.id, queued }
}

/** Writes what is missing, and the size record as the last step. */
async function completeMessage(state: MessageState): Promise<void> {
  if (state.segment !== 'extracted') rejectInput(state, 'unexpected end of input')
  const ended = endExtracted(state)
  if (isPromise(ended)) await ended
  state.segment = 'ended'
  if (state.ok && state.recipient === undefined) state.fail(STATUS.recipients)
  if (state.ok) writeSize(state)
}

function canBounce(state: MessageState): boolean {
  const wanted = state.bounce && state.tools.bounceRejected !== undefined
  return wanted && (state.errors & CANNOT_BOUNCE) === 0 && state.sender !== undefined
}

/** Takes the file to stable storage. Into the hold queue first: the queue manager takes what is complete at once. */
async function commitMessage(state: MessageState): Promise<void> {
  try {
    if (state.hold) state.file.hold()
    // A line about a message must not be lost when the message is not.
    log.flush()
    await state.tools.committer.commit(state.file)
  } catch (error) {
    failWrite(state, error)
    removeMessage(state, 'canceled')
  }
}

/** Removes the file and, if there is one, the log of expanded aliases. Harmless when they are gone. */
export function removeMessage(state: MessageState, why: 'canceled' | 'discarded'): void {
  state.errors ||= why === 'canceled' ? STATUS.bad : 0
  try {
    if (state.traced) removeLog(state.file.spool, 'trace', state.id)
    state.file.remove()
    cleanupLog.info(`${state.id}: removed (${why})`, { queue_id: state.id })
  } catch (error) {
    cleanupLog.warning(`remove ${state.file.path}: ${String(error)}`)
  }
}
