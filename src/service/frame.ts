/**
 * Messages on a byte stream: four bytes of length, big-endian, then JSON.
 *
 * All internal sockets that no other program uses speak this. The length stays
 * below 2^24, so that the first byte is zero: a socket that also takes Postfix's
 * trigger bytes (`W`, `I` …) can tell the two apart.
 *
 * @module
 */

/** The longest message, without its four bytes of length. */
export const FRAME_BYTES_MAX = 8 * 1024 * 1024

const HEADER_BYTES = 4

/** A peer that does not speak this protocol, or sent more than the limit. The connection is of no use any more. */
export class FrameError extends Error {
  override name = 'FrameError'
}

/**
 * One message as bytes.
 *
 * @throws {FrameError} When the message is longer than the limit.
 */
export function encodeFrame(message: unknown): Buffer {
  const text = JSON.stringify(message)
  const length = Buffer.byteLength(text)
  if (length > FRAME_BYTES_MAX) throw new FrameError(`Cannot send a message of ${length} bytes`)
  const frame = Buffer.allocUnsafe(HEADER_BYTES + length)
  frame.writeUInt32BE(length)
  frame.write(text, HEADER_BYTES)
  return frame
}

/** Where frames go to; a socket is one. */
type FrameOutput = { readonly destroyed: boolean; write(bytes: Uint8Array): unknown }

/** Sends messages; those of one turn of the event loop go out in one write. */
export class FrameWriter {
  readonly #output: FrameOutput
  #frames: Buffer[] = []
  #written = Promise.withResolvers<void>()

  constructor(output: FrameOutput) {
    this.#output = output
  }

  /** Whether something is still to be written in this turn. */
  get waiting(): boolean {
    return this.#frames.length > 0
  }

  /**
   * Resolves when the message has been written: before, the end of the process would lose it.
   *
   * @throws {FrameError} When the message is longer than the limit; the others are sent.
   */
  send(message: unknown): Promise<void> {
    const frame = encodeFrame(message)
    if (this.#frames.length === 0) setImmediate(() => this.#write())
    this.#frames.push(frame)
    return this.#written.promise
  }

  #write(): void {
    const [first, ...more] = this.#frames
    const written = this.#written
    this.#written = Promise.withResolvers()
    if (first !== undefined && !this.#output.destroyed) this.#output.write(more.length === 0 ? first : Buffer.concat(this.#frames))
    this.#frames = []
    written.resolve()
  }
}

/** Cuts a byte stream into messages, whatever the chunks. */
export class FrameDecoder {
  readonly #bytesMax: number
  #chunks: Uint8Array[] = []
  #held = 0

  /** @param bytesMax Limit for one message. */
  constructor(bytesMax = FRAME_BYTES_MAX) {
    this.#bytesMax = bytesMax
  }

  /** Whether a part of a message has come: an end of the stream would lose it. */
  get partial(): boolean {
    return this.#held > 0
  }

  /**
   * The messages that are complete with this chunk, in order.
   *
   * @throws {FrameError} For a length beyond the limit, or what is not JSON.
   */
  push(chunk: Uint8Array): unknown[] {
    if (chunk.length === 0) return []
    this.#chunks.push(chunk)
    this.#held += chunk.length
    const messages: unknown[] = []
    for (let length = this.#nextLength(); length !== undefined; length = this.#nextLength()) {
      if (this.#held < HEADER_BYTES + length) break
      messages.push(parse(this.#take(HEADER_BYTES + length).subarray(HEADER_BYTES)))
    }
    return messages
  }

  #nextLength(): number | undefined {
    if (this.#held < HEADER_BYTES) return undefined
    const first = this.#chunks[0]
    const bytes = first !== undefined && first.length >= HEADER_BYTES ? first : this.#join()
    const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)
    if (length > this.#bytesMax) throw new FrameError(`Cannot read a message of ${length} bytes`)
    return length
  }

  #join(): Uint8Array {
    const joined = Buffer.concat(this.#chunks, this.#held)
    this.#chunks = [joined]
    return joined
  }

  #take(length: number): Uint8Array {
    const first = this.#chunks[0]
    const bytes = first !== undefined && first.length >= length ? first : this.#join()
    this.#chunks[0] = bytes.subarray(length)
    if (bytes.length === length) this.#chunks.shift()
    this.#held -= length
    return bytes.subarray(0, length)
  }
}

function parse(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8'))
  } catch {
    throw new FrameError('Cannot read a message as it is not JSON')
  }
}
