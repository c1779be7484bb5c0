/**
 * mailq: shows the queue; another name of `postqueue -p`.
 *
 * @module
 */
import { runCommand } from '#commands/getopt.ts'
import { postqueue } from '#commands/postqueue/run.ts'

/** sendmail's options that mean nothing here are taken without a word; `-C` names the configuration. */
function postqueueArguments(argv: readonly string[]): string[] {
  const at = argv.findIndex((word) => word.startsWith('-C'))
  const word = argv[at] ?? ''
  const directory = word === '-C' ? argv[at + 1] : word.slice(2)
  return directory ? ['-c', directory, '-p'] : ['-p']
}

if (import.meta.main) await runCommand((argv) => postqueue(postqueueArguments(argv)))
