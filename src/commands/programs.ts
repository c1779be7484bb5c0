/**
 * Where the other programs of this installation are: beside this one, whether it runs from
 * its sources or from the bundles that `npm run build` makes.
 *
 * @module
 */
import { join } from 'node:path'

/** Bundles keep the paths of their sources, but for the suffix. */
const MAIN = import.meta.filename.endsWith('.ts') ? 'main.ts' : 'main.js'

/** The folder that holds `commands/`, `receive/` and so on. */
const TOP = join(import.meta.dirname, '..')

/**
 * The file of a program.
 *
 * @param program Its folder: `receive/smtpd`, `commands/postdrop`.
 */
export function programFile(program: string): string {
  return join(TOP, program, MAIN)
}

/** The command line that runs a program with the Node.js of this process. */
export function programCommand(program: string): [command: string, ...args: string[]] {
  return [process.execPath, programFile(program)]
}
