/**
 * Lines of a small text file of the queue, in little memory.
 *
 * @module
 */
import { isAscii } from 'node:buffer'
import { files } from '#system/files.ts'
import { decodeRaw } from '#util/raw-text.ts'

const READ_BYTES = 16_384
const LF = 0x0a
/** Longer lines are cut here: none that a mail system writes comes near. */
const LINE_BYTES_MAX = 262_144

/** The block of the reader before, if it has finished: a listing reads one log after another. */
let spareBlock: Buffer | undefined

/** The lines of an open file, from its start, without their ends. A last line without an end counts. */
export function* readLines(fd: number): Generator<string, void> {
  const block = spareBlock ?? Buffer.allocUnsafeSlow(READ_BYTES)
  spareBlock = undefined
  try {
    const count = files.read(fd, block, 0, READ_BYTES, 0)
    // Most logs are one block, of ASCII: that is one string, and no second read.
    if (count < READ_BYTES && isAscii(block.subarray(0, count))) yield* linesOf(block.toString('latin1', 0, count))
    else yield* linesInBlocks(fd, block, count)
  } finally {
    spareBlock = block
  }
}

function* linesOf(text: string): Generator<string, void> {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  yield* lines
}

function* linesInBlocks(fd: number, block: Buffer, first: number): Generator<string, void> {
  let rest: Uint8Array = new Uint8Array()
  let position = 0
  for (let count = first; count > 0; count = files.read(fd, block, 0, READ_BYTES, position)) {
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
