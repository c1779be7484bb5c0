/**
 * One listing of the queue for one client.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { once } from 'node:events'
import { listQueues, type ListedMessage, type ListOptions } from '#queue/list.ts'
import type { Spool } from '#queue/spool.ts'
import { encodeEnd, encodeGreeting, encodeMessage, encodeRecipient } from '#service/listing.ts'

/** Bytes given to the socket at a time. */
const CHUNK_BYTES = 65_536

/** The listing as chunks for the wire; `undefined` between them: a moment for other clients. */
function* listing(spool: Spool, options: ListOptions): Generator<Buffer, void> {
  const parts: Buffer[] = [encodeGreeting()]
  let bytes = 0
  for (const part of listingParts(listQueues(spool, options))) {
    parts.push(part)
    bytes += part.length
    if (bytes < CHUNK_BYTES) continue
    yield Buffer.concat(parts)
    parts.length = 0
    bytes = 0
  }
  yield Buffer.concat(parts)
}

function* listingParts(messages: Iterable<ListedMessage>): Generator<Buffer, void> {
  for (const message of messages) {
    yield encodeMessage(message)
    for (const recipient of message.recipients) yield encodeRecipient(recipient)
    yield encodeEnd()
  }
  yield encodeEnd()
}

/** Sends the listing, as fast as the client reads it, and ends the connection. A client may leave at any time. */
export async function sendListing(socket: Socket, spool: Spool, options: ListOptions): Promise<void> {
  const gone = new AbortController()
  socket.on('error', () => socket.destroy())
  socket.on('close', () => gone.abort())
  socket.resume()
  for (const chunk of listing(spool, options)) {
    if (socket.destroyed) return
    if (!socket.write(chunk)) await drained(socket, gone.signal)
  }
  socket.end()
}

async function drained(socket: Socket, signal: AbortSignal): Promise<void> {
  try {
    await once(socket, 'drain', { signal })
  } catch {
    // The client left; the caller looks at the socket.
  }
}
