/**
 * tcp: a table server that speaks lines: `get key` is answered with `200 value`,
 * `500 text` (not there) or `400 text` (try later). White space, control
 * characters, `%` and bytes beyond ASCII travel as `%XX`.
 *
 * Source: tcp_table(5).
 */
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { ABSENT, failed, found, refuseSensitive, TableOpenError, type Lookup, type OpenRequest, type Table } from '#tables/table.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { BadReply, inetAddress, ReplyClient } from './reply-client.ts'

/** The protocol's limit for a line. */
const LINE_BYTES_MAX = 4096

function encode(text: string): string {
  return Buffer.from(encodeRaw(text)).toString('latin1').replaceAll(/[^!-$&-~]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

function decode(text: string): string | undefined {
  if (/%(?![\da-fA-F]{2})/.test(text)) return undefined
  const bytes = text.replaceAll(/%(..)/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return decodeRaw(Buffer.from(bytes, 'latin1'))
}

function takeLine(received: Buffer): string | undefined {
  const newline = received.indexOf(10)
  if (newline < 0 && received.length > LINE_BYTES_MAX) throw new BadReply('reply is too long')
  if (newline < 0) return undefined
  return received.toString('latin1', 0, newline).replace(/\r$/, '')
}

function judge(spec: string, reply: string): Lookup {
  const [, code, text = ''] = /^([245]00) (.*)$/s.exec(reply) ?? []
  const value = decode(text)
  if (code === undefined || value === undefined) return failed(`bad reply from ${spec}: "${reply.slice(0, 100)}"`)
  if (code === '200') return found(value)
  if (code === '500') return ABSENT
  return failed(`${spec}: ${value}`)
}

/**
 * Opens `tcp:host:port`.
 *
 * @throws {TableOpenError} The address is malformed.
 */
export function openTcp(request: OpenRequest): Table {
  refuseSensitive(request)
  const { name, spec } = request
  const address = inetAddress(name)
  if (address === undefined) throw new TableOpenError(`bad host:port in "${spec}"`)
  const client = new ReplyClient(address, takeLine)
  const lookup = async (key: string): Promise<Lookup> => {
    try {
      const answer = judge(spec, await client.request(`get ${encode(key)}\n`))
      if (answer.kind === 'error') log.warning(answer.reason)
      return answer
    } catch (error) {
      const reason = `${spec}: ${errnoText(error)}`
      log.warning(reason)
      return failed(reason)
    }
  }
  return { name: spec, pattern: true, lookup, close: () => client.close() }
}
