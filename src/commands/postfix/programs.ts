/**
 * Programs that `postfix` starts: master, and commands that must run by themselves.
 *
 * @module
 */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'

const ROOT = join(import.meta.dirname, '../..')
const EXTENSION = extname(import.meta.filename)
const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1']

/** A program: `master`, or a command such as `postsuper`. */
export function programFile(name: string): string {
  return join(ROOT, name === 'master' ? 'master' : `commands/${name}`, `main${EXTENSION}`)
}

/** The command line of a program, for Node.js. */
export function programArguments(name: string, args: readonly string[]): string[] {
  return [...NODE_FLAGS, programFile(name), ...args]
}

/** Starts a program with this process's environment and terminal. */
export function startProgram(name: string, args: readonly string[], detached = false, stdio: StdioOptions = 'inherit'): ChildProcess {
  return spawn(process.execPath, programArguments(name, args), { stdio, detached })
}

/** Runs a program to its end; resolves with its exit status, 1 when a signal ended it. */
export async function runProgram(name: string, args: readonly string[]): Promise<number> {
  const child = startProgram(name, args)
  await once(child, 'exit')
  return child.exitCode ?? 1
}
