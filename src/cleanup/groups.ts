/**
 * The recipients of a queue file that is not complete: what was written so far.
 *
 * @module
 */
import { attributeType, QueueFileError, RECORD, splitAttribute } from '#queue/record.ts'
import { RecordReader } from '#queue/record-reader.ts'
import type { QueueFile } from '#queue/write.ts'
import type { RefusedRecipient } from './tools.ts'

type Pending = { original: string | undefined; dsnOrcpt: string; notify: number }

const nothingPending = (): Pending => ({ original: undefined, dsnOrcpt: '', notify: 0 })

/** Recipients that are not done, in file order. The file must have been ended. */
export function readGroups(file: QueueFile): RefusedRecipient[] {
  const recipients: RefusedRecipient[] = []
  const reader = new RecordReader(file.fd)
  try {
    collect(reader, recipients)
  } catch (error) {
    // The file ends in the middle of a record: there was no room for more.
    if (!(error instanceof QueueFileError)) throw error
  } finally {
    reader.close()
  }
  return recipients
}

function collect(reader: RecordReader, recipients: RefusedRecipient[]): void {
  let pending = nothingPending()
  let inContent = false
  for (let type = reader.read(); type !== 0 && type !== RECORD.end; type = reader.read()) {
    if (type === RECORD.message) inContent = true
    else if (type === RECORD.extracted) inContent = false
    else if (inContent) continue
    else if (type === RECORD.attribute) takeAttribute(pending, reader.text())
    else if (type === RECORD.originalRecipient) pending.original = reader.text()
    else if (type === RECORD.recipient) {
      const address = reader.text()
      recipients.push({ ...pending, offset: reader.offset, address, original: pending.original ?? address })
      pending = nothingPending()
    }
  }
}

function takeAttribute(pending: Pending, text: string): void {
  const parts = splitAttribute(text)
  if (typeof parts === 'string') return
  const type = attributeType(parts.name)
  if (type === RECORD.dsnRecipient) pending.dsnOrcpt = parts.value
  if (type === RECORD.notify) pending.notify = Number(parts.value)
}
