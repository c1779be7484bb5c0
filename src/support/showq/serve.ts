/**
 * One listing of the queue for one client.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { once } from 'node:events'
import { listQueues, type ListedMessage, type ListOptions } from '#queue/list.ts'
import type { Spool } from '#queue/spool.ts'
import { greetingText, LIST_END, messageText, recipientText } from '#service/listing.ts'
import { encodeRaw } from '#util/raw-text.ts'

/** Characters given to the socket at a time. */
const CHUNK_LENGTH = 65_536

/** The listing as chunks for the wire, so that a client that waits holds no more than one. */
function* listing(messages: Iterable<ListedMessage>): Generator<Uint8Array, void> {
  let text = greetingText()
  for (const message of messages) {
    text += messageText(message)
    for (const recipient of message.recipients) {
      text += recipientText(recipient)
      if (text.length < CHUNK_LENGTH) continue
      yield encodeRaw(text)
      text = ''
    }
    text += LIST_END
  }
  yield encodeRaw(text + LIST_END)
}

/** Sends the listing, as fast as the client reads it, and ends the connection. A client may leave at any time. */
export async function sendListing(socket: Socket, spool: Spool, options: ListOptions): Promise<void> {
  const gone = new AbortController()
  socket.on('error', () => socket.destroy())
  socket.on('close', () => gone.abort())
  socket.resume()
  for (const chunk of listing(listQueues(spool, options))) {
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
