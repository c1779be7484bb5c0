/**
 * postalias: makes, asks and changes alias databases.
 *
 * Reads, writes: `file` and `file.db`, `file.lmdb`, `file.cdb`, or `file.pag` and `file.dir`; standard input with `-i`
 *                and with `-q -`, `-d -`.
 * Talks to:      proxymap, for `proxy:` tables.
 * Privileges:    none of its own. As root it works with the rights of the owner of the source, unless `-o` is given.
 * Diagnostics:   warnings for lines it skips. Exit status 0; 1 when a name is not found or on any error.
 * Source:        postalias(1).
 */
import { mapCommand, runMapCommand } from '#commands/maps/run.ts'
import { buildAliases, updateAliases } from './build.ts'

const PROGRAM = 'postalias'

/** Runs the command; the exit status. @throws {CommandExit} */
export const main = mapCommand({
  program: PROGRAM,
  options: 'c:d:fijnNopq:rsuvw',
  usage: 'usage: postalias [-Nfinoprsuvw] [-c config_dir] [-d key] [-q key] [map_type:]file...',
  style: { afterKey: ':\t' },
  build: buildAliases,
  update: updateAliases,
})

if (import.meta.main) runMapCommand(PROGRAM, main)
