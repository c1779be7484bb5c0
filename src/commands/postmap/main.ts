/**
 * postmap: makes, asks and changes lookup tables.
 *
 * Reads, writes: `file` and `file.db`, `file.lmdb`, `file.cdb`, or `file.pag` and `file.dir`; standard input with `-i`
 *                and with `-q -`, `-d -`.
 * Talks to:      proxymap, for `proxy:` tables.
 * Privileges:    none of its own. As root it works with the rights of the owner of the source, unless `-o` is given.
 * Diagnostics:   warnings for lines it skips. Exit status 0; 1 when a key is not found or on any error.
 * Source:        postmap(1).
 */
import type { CommandLine } from '#commands/getopt.ts'
import type { EntryStyle } from '#commands/maps/query.ts'
import { mapCommand, runMapCommand } from '#commands/maps/run.ts'
import { die, type MapAction } from '#commands/maps/settings.ts'
import { log } from '#system/log.ts'
import { buildMap, updateMap } from './build.ts'
import { queryMessage, type MessageParts } from './message.ts'

const PROGRAM = 'postmap'
const STYLE: EntryStyle = { afterKey: '\t' }

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

/** Runs the command; the exit status. @throws {CommandExit} */
export const main = mapCommand({
  program: PROGRAM,
  options: 'bc:d:fFhijmnNopq:rsuUvw',
  usage: 'usage: postmap [-bfFhimnNoprsuUvw] [-c config_dir] [-d key] [-q key] [map_type:]file...',
  style: STYLE,
  build: buildMap,
  update: updateMap,
  query: (line, action, names, settings, input) => {
    const parts = partsOf(line, action)
    if (parts === undefined || line.operands.length === 0) return undefined
    return queryMessage(names(), input, parts, settings(), STYLE)
  },
})

if (import.meta.main) runMapCommand(PROGRAM, main)
