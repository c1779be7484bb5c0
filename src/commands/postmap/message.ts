/**
 * `-h`, `-b` and `-m` with `-q -`: the parts of a message as keys, as header and body checks see them.
 *
 * Source: postmap(1), -b, -h, -m; header_checks(5).
 */
import { MimeParser } from '#mail/mime.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import { linesOf } from '#commands/maps/lines.ts'
import { openForQuery, printFirst, type EntryStyle } from '#commands/maps/query.ts'
import type { MapName, MapSettings } from '#commands/maps/settings.ts'

/** Which parts are keys. `mime`: also headers of attached parts, which are body otherwise. */
export type MessageParts = { readonly headers: boolean; readonly body: boolean; readonly mime: boolean }

/** Asks the tables for the parts of the message on `input`. Exit status 0 when one is found. */
export async function queryMessage(names: readonly MapName[], input: AsyncIterable<Uint8Array | string>,
  parts: MessageParts, settings: MapSettings, style: EntryStyle): Promise<number> {
  const { config } = settings
  const tables = names.map((name) => openForQuery(name, settings))
  let keys: string[] = []
  const parser = new MimeParser(
    {
      header: (_region, _info, header) => {
        if (parts.headers) keys.push(header)
      },
      body: (line) => {
        if (parts.body) keys.push(decodeRaw(line))
      },
    },
    {
      disableMime: !parts.mime,
      headerBytesMax: config.int('header_size_limit'),
      nestingMax: config.int('mime_nesting_limit'),
      boundaryBytesMax: config.int('mime_boundary_length_limit'),
    },
  )
  let found = false
  const ask = async (): Promise<void> => {
    const waiting = keys
    keys = []
    for (const key of waiting) found = (await printFirst(tables, key, settings, style)) || found
  }
  for await (const line of linesOf(input)) {
    parser.line(encodeRaw(line), true)
    await ask()
  }
  parser.end()
  await ask()
  for (const { table } of tables) table.close()
  return found ? 0 : 1
}
