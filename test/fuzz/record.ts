/** Records of a queue file, as src/queue reads them: any bytes give records or a QueueFileError. */
import { QueueFileError, readRecords } from '#queue/record.ts'
import { RecordReader } from '#queue/record-reader.ts'

function orDamage(read: () => void): void {
  try {
    read()
  } catch (error) {
    if (!(error instanceof QueueFileError)) throw error
  }
}

/** Reads `bytes` as a file: with pointers followed, in file order, and through a small buffer. */
export function target(bytes: Uint8Array): void {
  orDamage(() => {
    for (const { offset, data } of readRecords(bytes)) {
      if (offset + data.length > bytes.length) throw new Error('record beyond the end')
    }
  })
  for (const options of [{}, { followPointers: false, skipPadding: false, stopAtEnd: false }, { readBytes: 16 }]) {
    orDamage(() => {
      using reader = new RecordReader(bytes, 0, options)
      while (reader.read() !== 0) reader.text()
    })
  }
}
