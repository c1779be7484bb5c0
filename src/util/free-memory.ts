/**
 * Memory given back at once, instead of when garbage is collected.
 *
 * Buffers that come and go by the thousand fill memory until a collection is due, and the collection of so much takes
 * longer than what was done with the bytes.
 *
 * @module
 */

/**
 * Gives back the memory of bytes that nobody will look at any more; afterwards they are none. Does nothing for bytes
 * that share their memory with others.
 */
export function freeMemory({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && byteLength === buffer.byteLength && !buffer.detached) buffer.transfer(0)
}
