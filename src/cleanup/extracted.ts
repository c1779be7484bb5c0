/**
 * The extracted segment: what came out of the content, recipients found there, and
 * automatic copies.
 *
 * @module
 */
import { RECORD } from '#queue/record.ts'
import type { MaybePromise } from '#util/maybe.ts'
import { outputRecord } from './output.ts'
import { addBcc } from './recipient.ts'
import type { MessageState } from './state.ts'

/** Writes what the content gave, before the first recipient of this segment. */
export function startRecipients(state: MessageState): void {
  if (state.inRecipients) return
  if (state.contentFilter !== undefined) outputRecord(state, RECORD.filter, state.contentFilter)
  if (state.redirect !== undefined) outputRecord(state, RECORD.redirect, state.redirect)
  if (state.messageId !== undefined) outputRecord(state, RECORD.attribute, `message_id=${state.messageId}`)
  const encoding = state.attributes.get('encoding')
  if (encoding !== undefined) outputRecord(state, RECORD.attribute, `encoding=${encoding}`)
  state.inRecipients = true
}

/** Ends the segment, and with it the file. Copies are for mail that has recipients. */
export function endExtracted(state: MessageState): MaybePromise<void> {
  startRecipients(state)
  const copies = state.bcc && state.settings.alwaysBcc !== '' ? [state.settings.alwaysBcc] : []
  copies.push(...state.headerBcc)
  if (copies.length > 0 && state.recipient !== undefined) return addCopies(state, copies)
  outputRecord(state, RECORD.end, '')
}

async function addCopies(state: MessageState, copies: readonly string[]): Promise<void> {
  for (const copy of copies) {
    if (state.ok) await addBcc(state, copy)
  }
  outputRecord(state, RECORD.end, '')
}
