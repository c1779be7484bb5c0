/**
 * The size record: zeros at first, the real numbers as the last write of a message.
 *
 * @module
 */
import { ByteWriter } from '#util/byte-writer.ts'
import { appendRecord, RECORD, sizePayload } from '#queue/record.ts'
import { failWrite } from './output.ts'
import type { MessageState } from './state.ts'

/** Payload of the size record of an unfinished message. */
export const SIZE_PLACEHOLDER = sizePayload({
  contentSize: 0, dataOffset: 0, recipientCount: 0, qmgrFlags: 0, contentLength: 0, sendOptions: 0,
})

/** Writes the numbers. */
export function writeSize(state: MessageState): void {
  const { contentSize, dataOffset, recipientCount, qmgrFlags, sendOptions } = state
  const out = new ByteWriter()
  appendRecord(out, RECORD.size, sizePayload({
    contentSize, dataOffset, recipientCount, qmgrFlags, contentLength: contentSize, sendOptions,
  }))
  try {
    state.file.patch(0, out.bytes())
  } catch (error) {
    failWrite(state, error)
  }
}
