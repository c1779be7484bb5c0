/**
 * Replies of a memcached server, taken off the front of what was received.
 *
 * Source: memcached's protocol.txt ("Retrieval command", "Storage commands"); memcache_table(5), line_size_limit,
 * data_size_limit.
 */

/** Limits for one reply. */
export type ReplyLimits = { readonly lineBytesMax: number; readonly dataBytesMax: number }

/** A reply that was taken: what it says, and its length in bytes. */
export type Taken<T> = { readonly reply: T; readonly length: number }

/** An answer to `get`: `undefined`, or the data. */
export type GetReply = Uint8Array | undefined

/** The server does not speak the protocol, or says that something is wrong. The connection is of no use any more. */
export class UnexpectedReply extends Error {
  override readonly name = 'UnexpectedReply'
}

const NEWLINE = 10
const RETURN = 13
const SHOWN_LENGTH = 30

/** Complains about what was received instead of a reply. */
export function unexpected(reply: string): UnexpectedReply {
  return new UnexpectedReply(`unexpected memcache server reply: ${reply.slice(0, SHOWN_LENGTH)}`)
}

/** Takes a line; its text is of single bytes. @throws {UnexpectedReply} It is too long. */
export function takeLine(received: Buffer, { lineBytesMax }: ReplyLimits, start = 0): Taken<string> | undefined {
  const newline = received.indexOf(NEWLINE, start)
  const end = newline < 0 ? received.length : newline
  if (end - start > lineBytesMax) throw new UnexpectedReply('memcache server reply line is too long')
  if (newline < 0) return undefined
  const text = received.toString('latin1', start, received[newline - 1] === RETURN && newline > start ? newline - 1 : newline)
  return { reply: text, length: newline + 1 - start }
}

/**
 * Takes the answer to a `get` of one key: `END`, or `VALUE key flags length`, the data, and `END`. The data of
 * another key is no answer: requests and replies do not fit together any more.
 *
 * @returns `undefined` while it is incomplete.
 * @throws {UnexpectedReply}
 */
export function takeGetReply(received: Buffer, key: Uint8Array, limits: ReplyLimits): Taken<GetReply> | undefined {
  const head = takeLine(received, limits)
  if (head === undefined) return undefined
  if (head.reply === 'END') return { reply: undefined, length: head.length }
  const [, name, digits] = /^VALUE +(\S+) +\S+ +(\d{1,10})(?: |$)/.exec(head.reply) ?? []
  const size = Number(digits ?? Number.NaN)
  if (digits === undefined || name !== Buffer.from(key).toString('latin1') || size > limits.dataBytesMax) throw unexpected(head.reply)
  const dataEnd = head.length + size
  if (received.length < dataEnd + 2) return undefined
  if (received[dataEnd] !== RETURN || received[dataEnd + 1] !== NEWLINE) throw unexpected(received.toString('latin1', dataEnd, dataEnd + 2))
  const end = takeLine(received, limits, dataEnd + 2)
  if (end === undefined) return undefined
  if (end.reply !== 'END') throw unexpected(end.reply)
  return { reply: received.subarray(head.length, dataEnd), length: dataEnd + 2 + end.length }
}
