/**
 * postmap: makes, asks and changes lookup tables.
 *
 * Reads, writes: `file` and `file.db`, `file.lmdb` or `file.cdb`; standard input with `-i` and with `-q -`, `-d -`.
 * Privileges:    none of its own. As root it gives a new file to the owner of its source.
 * Diagnostics:   warnings for lines it skips. Exit status 0; 1 when a key is not found or on any error.
 * Source:        postmap(1).
 */
import { runCommand, parseOrUsage, type CommandLine } from '#commands/getopt.ts'
import { processConsole, type Console } from '#commands/console.ts'
import { deleteKeys } from '#commands/maps/delete.ts'
import { linesOf, readAll } from '#commands/maps/lines.ts'
import { listEntries, queryKey, queryLines, type EntryStyle } from '#commands/maps/query.ts'
import { actionOf, die, logToStandardError, mapName, settingsOf, type MapAction, type MapName, type MapSettings } from '#commands/maps/settings.ts'
import { log } from '#system/log.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { buildMap, updateMap } from './build.ts'
import { queryMessage, type MessageParts } from './message.ts'

const PROGRAM = 'postmap'
const OPTIONS = 'bc:d:fFhijmnNopq:rsuUvw'
const USAGE = 'usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...'
const STYLE: EntryStyle = { afterKey: '\t' }

type Input = AsyncIterable<Uint8Array | string>

/** Which parts of a message are keys, if any. */
function partsOf({ options }: CommandLine, action: MapAction): MessageParts | undefined {
  const letters = new Set(options.map(([letter]) => letter))
  const parts = { headers: letters.has('h'), body: letters.has('b'), mime: letters.has('m') }
  if (!parts.headers && !parts.body && !parts.mime) return undefined
  if (action.kind !== 'query' || action.key !== '-') return die(PROGRAM, 'specify -b -h or -m only with "-q -"')
  if (parts.headers || parts.body) return parts
  log.warning('ignoring -m option without -b or -h')
  return undefined
}

async function query(names: readonly MapName[], key: string, parts: MessageParts | undefined, settings: MapSettings,
  input: Input): Promise<number> {
  if (parts !== undefined) return queryMessage(names, input, parts, settings, STYLE)
  return key === '-' ? queryLines(names, input, settings, STYLE) : queryKey(names, key, settings)
}

async function build(names: readonly MapName[], settings: MapSettings, update: boolean, input: Input): Promise<number> {
  const added = update ? decodeRaw(await readAll(input)) : ''
  for (const name of names) {
    if (update) await updateMap(name, added, settings)
    else buildMap(name, settings)
  }
  return 0
}

/** Runs the command; the exit status. @throws {CommandExit} */
export async function main(argv: readonly string[], console: Console = processConsole, input: Input = process.stdin): Promise<number> {
  const line = parseOrUsage(PROGRAM, OPTIONS, argv, { usage: USAGE, exitCode: 1 })
  const action = actionOf(PROGRAM, line)
  const parts = partsOf(line, action)
  const settings = settingsOf(PROGRAM, line, console)
  const names = line.operands.map((operand) => mapName(operand, settings.config))
  if (action.kind === 'list') return listEntries(names, settings, STYLE)
  if (names.length === 0) return die(PROGRAM, USAGE)
  if (action.kind === 'query') return query(names, action.key, parts, settings, input)
  if (action.kind === 'delete') {
    const keys = action.key === '-' ? await Array.fromAsync(linesOf(input)) : [action.key]
    return deleteKeys(names, keys, settings)
  }
  return build(names, settings, action.kind === 'update', input)
}

if (import.meta.main) {
  logToStandardError(PROGRAM)
  await runCommand((argv) => main(argv))
}
