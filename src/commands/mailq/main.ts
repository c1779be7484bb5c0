/**
 * mailq: shows the queue. It is sendmail under another name, and takes its options.
 *
 *     mailq [-C config_dir] [-v]
 *
 * Talks to:      those whom postqueue talks to.
 * Reads, writes: nothing by itself.
 * Privileges:    none: only postqueue has some.
 * Diagnostics:   those of postqueue with their exit status, 69; 75 for a wrong command line.
 *
 * @module
 */
import { runCommand } from '#commands/getopt.ts'
import { calledAs } from '#commands/called-as.ts'
import { sendmail } from '#commands/sendmail/run.ts'

if (import.meta.main) runCommand((argv) => sendmail(calledAs('mailq'), argv))
