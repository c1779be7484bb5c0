/**
 * sendmail: submits mail, and does what other names and options of it stand for.
 *
 *     sendmail [option ...] [recipient ...]
 *
 * Called as mailq it lists the queue, as newaliases it rebuilds the alias databases.
 *
 * Talks to:      postdrop, which it runs; also postqueue, postalias, postfix, and smtpd for `-bs`.
 * Reads, writes: a message on standard input. It works while the mail system is down.
 * Privileges:    none: only postdrop has some.
 * Diagnostics:   on standard error and in the log. Exit status 75 (EX_TEMPFAIL) after a failure, so that the caller
 *                keeps the mail; the commands that it runs for other options have their own.
 *
 * @module
 */
import { calledAs } from '#commands/called-as.ts'
import { runCommand } from '#commands/getopt.ts'
import { sendmail } from './run.ts'

if (import.meta.main) runCommand((argv) => sendmail(calledAs('sendmail'), argv))
