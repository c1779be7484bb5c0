/** Delivery status logs, as src/queue reads them: any bytes give records; what is written is read back. */
import { formatStatus, parseStatus, type StatusRecord } from '#queue/log-record.ts'
import { decodeRaw } from '#util/raw-text.ts'

const NAMES = ['bounce', 'defer', 'trace'] as const

function parse(text: string, name: (typeof NAMES)[number]): StatusRecord[] {
  return [...parseStatus(text.split('\n'), name, () => undefined)]
}

/** Reads `bytes` as each kind of log, and each record once more after it was written. */
export function target(bytes: Uint8Array): void {
  const text = decodeRaw(bytes)
  for (const name of NAMES) {
    for (const record of parse(text, name)) {
      const again = parse(formatStatus(record, true), name)
      if (again.length !== 1) throw new Error(`a record became ${again.length}`)
      // Blanks around a value are not part of it.
      const recipient = record.recipient.trim()
      if (recipient !== '' && again[0]?.recipient !== recipient) throw new Error('another recipient')
    }
  }
}
