/**
 * newaliases: rebuilds the databases that alias_database names.
 *
 * Reads, writes: the alias files and their databases.
 * Privileges:    none of its own.
 * Diagnostics:   those of postalias. Exit status 0, or 1 on any error.
 * Source:        newaliases(1).
 */
import { loadConfig } from '#config/load.ts'
import { parseOrUsage, runCommand } from '#commands/getopt.ts'
import { logToStandardError } from '#commands/maps/settings.ts'
import { rebuildAliases } from './rebuild.ts'

const PROGRAM = 'newaliases'
const USAGE = 'usage: newaliases [-C config_dir] [-oAalias_database] [-v]'

/** Runs the command; the exit status. @throws {CommandExit} */
export async function main(argv: readonly string[]): Promise<number> {
  const { options } = parseOrUsage(PROGRAM, 'C:o:v', argv, { usage: USAGE, exitCode: 1 })
  const letters = new Map(options.map(([letter, value]) => [letter, value] as const))
  const databases = options.flatMap(([letter, value = '']) => (letter === 'o' && value.startsWith('A') ? [value.slice(1)] : []))
  return rebuildAliases(loadConfig(letters.get('C')), databases.length > 0 ? databases : undefined)
}

if (import.meta.main) {
  logToStandardError('postalias')
  await runCommand(main)
}
