/**
 * postalias: makes, asks and changes alias databases.
 *
 * Reads, writes: `file` and `file.db`, `file.lmdb` or `file.cdb`; standard input with `-i` and with `-q -`, `-d -`.
 * Privileges:    none of its own. As root it gives a new file to the owner of its source.
 * Diagnostics:   warnings for lines it skips. Exit status 0; 1 when a name is not found or on any error.
 * Source:        postalias(1).
 */
import { parseOrUsage, runCommand } from '#commands/getopt.ts'
import { processConsole, type Console } from '#commands/console.ts'
import { deleteKeys } from '#commands/maps/delete.ts'
import { linesOf, readAll } from '#commands/maps/lines.ts'
import { listEntries, queryKey, queryLines, type EntryStyle } from '#commands/maps/query.ts'
import { actionOf, die, logToStandardError, mapName, settingsOf, type MapName, type MapSettings } from '#commands/maps/settings.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { buildAliases, updateAliases } from './build.ts'

const PROGRAM = 'postalias'
const OPTIONS = 'c:d:fijnNopq:rsuvw'
const USAGE = 'usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...'
const STYLE: EntryStyle = { afterKey: ':\t' }

type Input = AsyncIterable<Uint8Array | string>

async function build(names: readonly MapName[], settings: MapSettings, update: boolean, input: Input): Promise<number> {
  const added = update ? decodeRaw(await readAll(input)) : ''
  for (const name of names) {
    if (update) updateAliases(name, added, settings)
    else buildAliases(name, settings)
  }
  return 0
}

/** Runs the command; the exit status. @throws {CommandExit} */
export async function main(argv: readonly string[], console: Console = processConsole, input: Input = process.stdin): Promise<number> {
  const line = parseOrUsage(PROGRAM, OPTIONS, argv, { usage: USAGE, exitCode: 1 })
  const action = actionOf(PROGRAM, line)
  const settings = settingsOf(PROGRAM, line, console)
  const names = line.operands.map((operand) => mapName(operand, settings.config))
  if (action.kind === 'list') return listEntries(names, settings, STYLE)
  if (names.length === 0) return die(PROGRAM, USAGE)
  if (action.kind === 'query') {
    return action.key === '-' ? queryLines(names, input, settings, STYLE) : queryKey(names, action.key, settings)
  }
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
