/**
 * Refused mail of our own users, returned to its sender.
 *
 * @module
 */
import { splitStatus } from '#mail/status.ts'
import { RET } from '#mail/dsn-parameters.ts'
import { log } from '#system/log.ts'
import { readGroups } from './groups.ts'
import type { MessageState } from './state.ts'
import { STATUS, statusDetail } from './status.ts'
import type { RefusedMessage } from './tools.ts'

const cleanupLog = log.as('cleanup')

/**
 * Has a notice sent. Afterwards the message counts as done with, or, when that
 * fails, as one to be tried again.
 */
export async function returnToSender(state: MessageState): Promise<void> {
  try {
    state.file.flush()
    await state.tools.bounceRejected?.(refusedMessage(state))
    state.errors = 0
    state.discard = true
  } catch (error) {
    cleanupLog.warning(`${state.id}: bounce message failure: ${error instanceof Error ? error.message : String(error)}`)
    state.errors = STATUS.write
  }
}

function refusedMessage(state: MessageState): RefusedMessage {
  const detail = statusDetail(state.errors)
  const { status, rest } = splitStatus('5.0.0', state.reason ?? `${detail.status} ${detail.text}`)
  const recipients = readGroups(state.file)
  // Content that was refused is not sent on, not even back.
  const headersOnly = (state.errors & (STATUS.content | STATUS.size)) !== 0
  return {
    queueName: 'incoming',
    id: state.id,
    sender: state.sender ?? '',
    encoding: state.attributes.get('encoding') ?? '',
    envelopeId: state.envelopeId ?? '',
    returnFlags: headersOnly ? RET.headers : state.returnFlags,
    sendOptions: state.sendOptions,
    verp: state.verp,
    arrival: state.arrival ?? { seconds: state.file.seconds, microseconds: state.file.microseconds },
    status,
    reason: rest,
    recipients: recipients.length > 0
      ? recipients
      : [{ offset: 0, address: 'unknown', original: '', dsnOrcpt: '', notify: 0 }],
  }
}
