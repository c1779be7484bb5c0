/**
 * newaliases: rebuilds the databases that alias_database names. It is sendmail under another name, and takes its options.
 *
 *     newaliases [-C config_dir] [-oAalias_database] [-v]
 *
 * Talks to:      nobody.
 * Reads, writes: the alias files and their databases.
 * Privileges:    none of its own.
 * Diagnostics:   those of postalias, and its exit status: 0, or 1 on any error; 75 for a wrong command line.
 * Standards:     sendmail(1), newaliases.
 *
 * @module
 */
import { runCommand } from '#commands/getopt.ts'
import { calledAs } from '#commands/called-as.ts'
import { sendmail } from '#commands/sendmail/run.ts'

/** Runs the command; the exit status. @throws {CommandExit} */
export function main(argv: readonly string[]): Promise<number> {
  return sendmail(calledAs('newaliases'), argv)
}

if (import.meta.main) runCommand(main)
