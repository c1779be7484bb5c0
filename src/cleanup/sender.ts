/**
 * The envelope sender.
 *
 * @module
 */
import { RECORD } from '#queue/record.ts'
import { rewriteInternal } from '#rewrite/rewrite.ts'
import { equalsIgnoreCase, isAscii } from '#util/ascii.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { lookUpAddress, mapped } from './addresses.ts'
import { addBcc } from './recipient.ts'
import { outputRecord } from './output.ts'
import type { MessageState } from './state.ts'

const MAILER_DAEMON = 'MAILER-DAEMON'

/** Rewrites and stores the sender, and the recipients that get a copy of all its mail. */
export function addSender(state: MessageState, address: string): MaybePromise<void> {
  const rewritten = rewriteInternal(state.settings.addresses.rules, 'local', address)
  const start = isMailerDaemon(state, rewritten) ? '' : rewritten
  return whenReady(mapped(state, start, 'envelope_sender'), (sender) => storeSender(state, sender))
}

/** RFC 5321 §4.5.5: reports have the null sender; some programs give it our name for itself. */
function isMailerDaemon(state: MessageState, address: string): boolean {
  if (!/^mailer-daemon@/i.test(address)) return false
  return equalsIgnoreCase(address, rewriteInternal(state.settings.addresses.rules, 'local', MAILER_DAEMON))
}

function storeSender(state: MessageState, sender: string): MaybePromise<void> {
  if (state.settings.smtputf8 && !isAscii(sender)) state.noteUnicode('sender')
  outputRecord(state, RECORD.sender, sender)
  state.sender = sender
  if (!state.bcc || sender === '' || state.settings.senderBcc.empty) return undefined
  return copySender(state, sender)
}

async function copySender(state: MessageState, sender: string): Promise<void> {
  const copy = await lookUpAddress(state, state.settings.senderBcc, sender)
  if (copy !== undefined) await addBcc(state, copy)
}
