/**
 * newaliases: rebuilds all alias databases, for the command of this name and for sendmail `-bi`.
 *
 * Source: sendmail(1), -bi, -I, -oA; postconf(5), alias_database.
 */
import { runLogged } from '#commands/maps/run.ts'
import { main as postalias } from '#commands/postalias/main.ts'
import type { Config } from '#config/config.ts'

/**
 * Rebuilds the databases that alias_database names.
 *
 * @param databases In place of alias_database (`-oAname`): `type:file` words.
 * @returns The exit status; 1, with the reason in the log, when one cannot be made.
 */
export async function rebuildAliases(config: Config, databases: readonly string[] = config.list('alias_database')): Promise<number> {
  if (databases.length === 0) return 0
  return runLogged('postalias', postalias, ['-c', config.directory, '--', ...databases])
}
