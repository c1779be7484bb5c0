/**
 * Body lines: body_checks, then the queue file.
 *
 * The checks see one line at a time, not decoded: they are for emergencies.
 *
 * @module
 */
import { decodeRaw } from '#util/raw-text.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { warn } from './addresses.ts'
import { contentAction } from './checks.ts'
import { outputText } from './output.ts'
import type { MessageState } from './state.ts'
import { STATUS } from './status.ts'

/** @param offset Where the line is in its body or part; checks end at body_checks_size_limit. */
export function bodyLine(state: MessageState, line: Uint8Array, complete: boolean, offset: number): MaybePromise<void> {
  const { bodyChecks, bodyChecksBytesMax } = state.settings
  const checked = state.filter && !bodyChecks.empty && (bodyChecksBytesMax === 0 || offset < bodyChecksBytesMax)
  if (!checked) {
    outputText(state, line, complete)
    return undefined
  }
  const text = decodeRaw(line)
  // The line may have to wait for a lookup; its memory is the caller's.
  const kept = Uint8Array.from(line)
  return whenReady(bodyChecks.find(text), (found) => {
    if (found.kind === 'error') {
      warn(state, `${bodyChecks.title} map lookup problem -- message not accepted, try again later`)
      state.fail(STATUS.write)
    }
    if (found.kind !== 'found') return outputText(state, kept, complete)
    const result = contentAction(state, { part: 'body', text, map: bodyChecks.title }, found.value)
    if (result.kind === 'keep') outputText(state, kept, complete)
    if (result.kind === 'replace') outputText(state, result.text, complete)
  })
}
