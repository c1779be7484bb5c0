/** Fuzz target: replies of memcached servers, whole and in pieces; URLs of Redis servers and addresses of memcached ones. */
import { memcacheServer } from '#network/database/memcache.ts'
import { takeGetReply, takeLine, UnexpectedReply } from '#network/database/memcache-reply.ts'
import { parseRedisUrl } from '#network/redis-url.ts'
import { decodeRaw } from '#util/raw-text.ts'

const LIMITS = { lineBytesMax: 100, dataBytesMax: 200 }
/** Longest reply within the limits: two lines with their ends, and data with its own. */
const REPLY_BYTES_MAX = 2 * (LIMITS.lineBytesMax + 1) + LIMITS.dataBytesMax + 2

function taken(bytes: Buffer): number | 'more' | 'bad' {
  try {
    takeLine(bytes, LIMITS)
    const reply = takeGetReply(bytes, Buffer.from('key'), LIMITS)
    if (reply?.reply !== undefined && reply.reply.length > LIMITS.dataBytesMax) throw new Error('more data than allowed')
    return reply?.length ?? 'more'
  } catch (error) {
    if (error instanceof UnexpectedReply) return 'bad'
    throw error
  }
}

/** @throws {Error} A part is taken for a whole reply, or waiting never ends. */
export function target(bytes: Uint8Array): void {
  const all = Buffer.from(bytes)
  const whole = taken(all)
  if (whole === 'more' && all.length > REPLY_BYTES_MAX) throw new Error('waits for a reply of any length')
  for (let end = 0; end < Math.min(all.length, 400); end++) {
    const part = taken(all.subarray(0, end))
    if (typeof part === 'number' && part !== whole) throw new Error('a reply ends in two places')
    if (part === 'bad' && whole !== 'bad') throw new Error('what was bad becomes good')
  }
  const text = decodeRaw(bytes)
  parseRedisUrl(text)
  if (!text.includes('\0')) memcacheServer(text)
}
