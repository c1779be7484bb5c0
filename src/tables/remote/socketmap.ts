/**
 * socketmap: Sendmail's table protocol: netstrings `name key`, answered with
 * `OK value`, `NOTFOUND`, or `TEMP`, `TIMEOUT`, `PERM` and a reason.
 *
 * Source: socketmap_table(5).
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { ABSENT, failed, found, refuseSensitive, TableOpenError, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { BadReply, inetAddress, ReplyClient, type ServerAddress } from './reply-client.ts'

/** Longest length of a netstring, in digits. */
const LENGTH_DIGITS_MAX = 10

function takeNetstring(received: Buffer, bytesMax: number): string | undefined {
  const colon = received.indexOf(58)
  const digits = received.toString('latin1', 0, colon < 0 ? Math.min(received.length, LENGTH_DIGITS_MAX + 1) : colon)
  if (!/^\d{0,10}$/.test(digits)) throw new BadReply('netstring format error')
  if (colon < 0) return undefined
  const length = Number(digits)
  if (digits === '' || length > bytesMax) throw new BadReply('netstring format error or reply is too long')
  const end = colon + 1 + length
  if (received.length <= end) return undefined
  if (received[end] !== 44) throw new BadReply('netstring format error')
  return decodeRaw(received.subarray(colon + 1, end))
}

function netstring(text: string): Uint8Array {
  const bytes = encodeRaw(text)
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes, Buffer.from(',')])
}

/** Takes `inet:host:port:name` or `unix:path:name` apart. */
function parseName(text: string): { address: ServerAddress; map: string } | undefined {
  const [, kind, where, map] = /^(inet|unix):(.+):([^:]+)$/s.exec(text) ?? []
  if (where === undefined || map === undefined) return undefined
  const address = kind === 'inet' ? inetAddress(where) : { text: where, connect: { path: where } }
  return address === undefined ? undefined : { address, map }
}

function judge(spec: string, key: string, reply: string): Lookup {
  const [, status = '', text = ''] = /^(\S*) ?(.*)$/s.exec(reply) ?? []
  if (status === 'OK') return found(text)
  if (status === 'NOTFOUND') return ABSENT
  if (status === 'TEMP') return failed(`${spec} socketmap server temporary error: ${text}`)
  if (status === 'TIMEOUT') return failed(`${spec} socketmap server timeout: ${text}`)
  if (status === 'PERM') return failed(`${spec} socketmap server permanent error: ${text}`)
  return failed(`${spec} socketmap server protocol error: "${reply.slice(0, 100)}" for key "${key}"`)
}

/**
 * Opens `socketmap:inet:host:port:name` or `socketmap:unix:path:name`.
 *
 * @throws {TableOpenError} The name is malformed.
 */
export function openSocketmap(request: OpenRequest): Table {
  refuseSensitive(request)
  const { name, spec, options } = request
  const target = parseName(name)
  if (target === undefined) throw new TableOpenError(`socketmap name "${name}" is malformed: need inet:host:port:name or unix:path:name`)
  const bytesMax = options.config.int('socketmap_max_reply_size')
  const client = new ReplyClient(target.address, (received) => takeNetstring(received, bytesMax))
  const lookup = async (key: string): Promise<Lookup> => {
    try {
      const answer = judge(spec, key, await client.request(netstring(`${target.map} ${key}`)))
      if (answer.kind === 'error') log.warning(answer.reason)
      return answer
    } catch (error) {
      const reason = `${spec} socketmap server: ${errnoText(error)}`
      log.warning(reason)
      return failed(reason)
    }
  }
  return { name: spec, pattern: true, lookup, close: () => client.close() }
}
