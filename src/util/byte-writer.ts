/** A byte buffer that grows as it is written. */

const CAPACITY_MIN = 256

/** Collects bytes; `bytes()` is a view of what was written so far. */
export class ByteWriter {
  /** The memory behind it; only the first `length` bytes count. Replaced when it grows. */
  buffer: Uint8Array
  length = 0

  constructor(capacity = CAPACITY_MIN) {
    this.buffer = Buffer.allocUnsafe(Math.max(capacity, CAPACITY_MIN))
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafe(Math.max(needed, this.buffer.length * 2))
    grown.set(this.buffer.subarray(0, this.length))
    this.buffer = grown
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length)
    this.buffer.set(bytes, this.length)
    this.length += bytes.length
  }

  appendByte(byte: number): void {
    this.reserve(1)
    this.buffer[this.length++] = byte
  }

  /** What was written: a view, valid until the next write. */
  bytes(): Uint8Array {
    return this.buffer.subarray(0, this.length)
  }

  clear(): void {
    this.length = 0
  }
}
