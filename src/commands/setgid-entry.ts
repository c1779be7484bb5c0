/**
 * The set-gid executable of a system install: postdrop, postqueue and postlog in one file, told apart by the name it
 * is called by. A script cannot be set-gid; the file that `npm run build:system` makes can.
 *
 * @module
 */
import { basename } from 'node:path'
import { stopCoverage } from 'node:v8'
import { processConsole, standardInput } from './console.ts'
import { fatal, runCommand } from './getopt.ts'
import { postdrop } from './postdrop/run.ts'
import { main as postlog } from './postlog/main.ts'
import { postqueue } from './postqueue/run.ts'

type Command = (argv: readonly string[]) => Promise<number>

const COMMANDS: Readonly<Record<string, Command>> = {
  postdrop: (argv) => postdrop(argv, { input: standardInput(), output: processConsole.out }),
  postlog: (argv) => postlog(argv),
  postqueue: (argv) => postqueue(argv),
}

const name = basename(process.argv0)
// Node.js takes NODE_V8_COVERAGE even from the caller of a set-gid program, and would write a file where it says.
stopCoverage()
delete process.env['NODE_V8_COVERAGE']
// What it creates does not follow the caller's wishes.
process.umask(0o022)
runCommand((argv) => {
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  return command === undefined ? fatal(name, `install this program as ${Object.keys(COMMANDS).join(', ')}`) : command(argv)
})
