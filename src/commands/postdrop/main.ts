/**
 * postdrop: puts mail that a user submits into maildrop. sendmail runs it.
 *
 *     postdrop [-rv] [-c config_dir]
 *
 * Standard input has the records of a message, standard output gets the queue id and the result. It works
 * while the mail system is down: the mail is taken when pickup starts.
 *
 * Reads, writes: a new file in maildrop; wakes pickup.
 * Privileges:    set-gid to the group that may write maildrop; the file belongs to the caller, by whose user id
 *                pickup names the sender's login.
 * Diagnostics:   on standard error and in the log. Exit status 0, or the status of the result, or 1.
 *
 * @module
 */
import { processConsole, standardInput } from '#commands/console.ts'
import { runCommand } from '#commands/getopt.ts'
import { postdrop } from './run.ts'

process.umask(0o022)
if (import.meta.main) runCommand((argv) => postdrop(argv, { input: standardInput(), output: processConsole.out }))
