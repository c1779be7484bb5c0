/** The envelope of a queue file, as src/queue reads it: any bytes give an envelope or a QueueFileError. */
import { readEnvelope, readRecipients, type Envelope } from '#queue/envelope.ts'
import { queueId } from '#queue/id.ts'
import { QueueFileError } from '#queue/record.ts'
import { captureLog } from '#test/support/log.ts'

const id = queueId('90E7F2544D2')
/** Passes over one file; more would be a loop. */
const PASSES_MAX = 10_000

function readAll(bytes: Uint8Array, recipientLimit: number): Envelope {
  const envelope = readEnvelope(bytes, { id, recipientLimit })
  let passes = 0
  for (let more = envelope.more; more !== undefined && passes < PASSES_MAX; passes++) {
    more = readRecipients(bytes, envelope, more, { id, recipientLimit }).more
  }
  return envelope
}

/** Reads `bytes` with several recipient limits; what is read must be within the file. */
export function target(bytes: Uint8Array): void {
  using _ = captureLog()
  for (const limit of [1, 3, Infinity]) {
    try {
      const { recipients, dataOffset } = readAll(bytes, limit)
      if (recipients.length > limit || dataOffset <= 0) throw new Error('envelope beyond its limits')
      if (recipients.some(({ offset }) => offset >= bytes.length)) throw new Error('recipient beyond the end')
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
    }
  }
}
