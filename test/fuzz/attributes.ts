/** Fuzz target: Postfix's attribute lists, see src/service/attributes.ts. */
import { AttributeDecoder, AttributeError, encodeAttributes, firstList } from '#service/attributes.ts'

/** Reads `bytes` as lists, whole and byte by byte; what was read must be written again as it was. */
export function target(bytes: Uint8Array): void {
  const whole = read([bytes])
  const pieces = read(Array.from(bytes, (byte) => Uint8Array.of(byte)))
  if (JSON.stringify(whole) !== JSON.stringify(pieces)) throw new Error('the result depends on how the bytes are cut')
  const [first] = whole
  if (first === undefined) return
  const length = firstList(bytes)?.length ?? 0
  const again = encodeAttributes(first)
  if (Buffer.compare(again, bytes.subarray(0, length)) !== 0) throw new Error('a list changes when it is written again')
}

function read(chunks: readonly Uint8Array[]): [string, string][][] {
  const decoder = new AttributeDecoder()
  try {
    return chunks.flatMap((chunk) => decoder.push(chunk))
  } catch (error) {
    if (error instanceof AttributeError) return []
    throw error
  }
}
