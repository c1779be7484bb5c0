/**
 * Standard input, output and error of a command, as tests can replace them.
 *
 * They are used as plain descriptors: the streams of Node.js take a tenth of the time of a command to load.
 *
 * @module
 */
import { fstatSync, read, readSync, writeSync } from 'node:fs'
import { isatty } from 'node:tty'
import { promisify } from 'node:util'
import { isErrno } from '#system/errno.ts'

/** Where a command writes. */
export type Console = {
  /** Standard output, as it is. */
  readonly out: (text: string | Uint8Array) => void
  /** Standard error, one line. */
  readonly err: (line: string) => void
}

const STDIN = 0
const STDOUT = 1
const STDERR = 2
const CHUNK_BYTES = 65_536
/** How long to leave a full pipe alone that does not wait by itself. */
const FULL_PIPE_MS = 1

/** The console of this process: whatever is written has left it. @throws {NodeJS.ErrnoException} ENOSPC and kin. */
export const processConsole: Console = {
  out: (text) => writeAll(STDOUT, text),
  err: (line) => writeAll(STDERR, `${line}\n`),
}

/** A reader that went away (`| head`) ends the command, without noise. */
function writeAll(fd: number, text: string | Uint8Array): void {
  let rest: Uint8Array = typeof text === 'string' ? Buffer.from(text) : text
  while (rest.length > 0) {
    try {
      rest = rest.subarray(writeSync(fd, rest))
    } catch (error) {
      if (isErrno(error, 'EPIPE') && fd === STDOUT) process.exit()
      if (isErrno(error, 'EPIPE')) return
      if (!isErrno(error, 'EAGAIN')) throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS)
    }
  }
}

/** Whether a person sees what is written to standard error, or standard output. */
export function isTerminal(stream: 'stdout' | 'stderr'): boolean {
  const fd = stream === 'stdout' ? STDOUT : STDERR
  return fstatSync(fd).isCharacterDevice() && isatty(fd)
}

/** Standard input, to its end. @throws {NodeJS.ErrnoException} It cannot be read. */
export async function* standardInput(): AsyncGenerator<Buffer> {
  const isFile = fstatSync(STDIN).isFile()
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK_BYTES)
      const length = isFile ? readSync(STDIN, buffer) : await readLater(buffer)
      if (length === 0) return
      yield buffer.subarray(0, length)
    }
  } catch (error) {
    // Somebody else made the pipe or terminal one that does not wait: streams can.
    if (!isErrno(error, 'EAGAIN')) throw error
    yield* process.stdin
  }
}

/** Other than a file it may take its time, in which signals are heard. */
async function readLater(buffer: Buffer): Promise<number> {
  const { bytesRead } = await promisify(read)(STDIN, buffer, 0, buffer.length, null)
  return bytesRead
}
