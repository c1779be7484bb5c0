/** Fuzz target: our frames, see src/service/frame.ts. */
import { FrameDecoder, FrameError } from '#service/frame.ts'
import { isBounceRequest } from '#service/bounce-client.ts'
import { isDeliverReply, isDeliverRequest } from '#service/deliver.ts'
import { isIntakeNotice } from '#service/intake.ts'

/** Reads `bytes` as a stream of frames, whole and byte by byte; both must agree. Whatever they say is checked by every reader. */
export function target(bytes: Uint8Array): void {
  const whole = read([bytes])
  const pieces = read(Array.from(bytes, (byte) => Uint8Array.of(byte)))
  if (JSON.stringify(whole) !== JSON.stringify(pieces)) throw new Error('the result depends on how the bytes are cut')
  for (const message of whole.messages) {
    for (const check of [isBounceRequest, isDeliverRequest, isDeliverReply, isIntakeNotice]) check(message)
  }
}

function read(chunks: readonly Uint8Array[]): { messages: unknown[]; failed: boolean } {
  const decoder = new FrameDecoder()
  const messages: unknown[] = []
  try {
    for (const chunk of chunks) messages.push(...decoder.push(chunk))
    return { messages, failed: false }
  } catch (error) {
    if (!(error instanceof FrameError)) throw error
    // Messages of the chunk that failed are not given out.
    return { messages: [], failed: true }
  }
}
