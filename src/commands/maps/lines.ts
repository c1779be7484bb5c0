/** Lines of a stream, as text that keeps every byte. */
import { decodeRaw } from '#util/raw-text.ts'

/** The lines of `input` without their newlines, as soon as each is complete. */
export async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  let rest = Buffer.alloc(0)
  for await (const chunk of input) {
    rest = Buffer.concat([rest, Buffer.from(chunk)])
    let start = 0
    for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, start)) {
      yield decodeRaw(rest.subarray(start, end))
      start = end + 1
    }
    rest = rest.subarray(start)
  }
  if (rest.length > 0) yield decodeRaw(rest)
}

/** All of `input`. */
export async function readAll(input: AsyncIterable<Uint8Array | string>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of input) chunks.push(Buffer.from(chunk))
  return Buffer.concat(chunks)
}
