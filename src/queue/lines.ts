/**
 * Lines of a small text file of the queue, in little memory.
 *
 * @module
 */
import { files } from '#system/files.ts'
import { decodeRaw } from '#util/raw-text.ts'

const READ_BYTES = 16_384
const LF = 0x0a
/** Longer lines are cut here: none that a mail system writes comes near. */
const LINE_BYTES_MAX = 262_144

/** The lines of an open file, from its start, without their ends. A last line without an end counts. */
export function* readLines(fd: number): Generator<string, void> {
  const block = Buffer.allocUnsafe(READ_BYTES)
  let rest: Uint8Array = new Uint8Array()
  let position = 0
  for (;;) {
    const count = files.read(fd, block, 0, READ_BYTES, position)
    if (count === 0) break
    position += count
    const bytes = Buffer.concat([rest, block.subarray(0, count)])
    let start = 0
    for (let end = bytes.indexOf(LF); end >= 0; end = bytes.indexOf(LF, start)) {
      yield decodeRaw(bytes.subarray(start, end))
      start = end + 1
    }
    rest = bytes.subarray(start, start + LINE_BYTES_MAX)
  }
  if (rest.length > 0) yield decodeRaw(rest)
}
