/**
 * postcat: shows queue files in readable form.
 *
 * Reads:       the files named, or those of queue ids (-q), or standard input.
 * Privileges:  those of the caller, who must be able to read the files.
 * Diagnostics: a damaged file is shown as far as it makes sense, with warnings.
 *
 * @module
 */
import { closeSync, openSync, readFileSync } from 'node:fs'
import { typedAs } from '#commands/called-as.ts'
import { fatal, parseOrUsage, runCommand, type CommandLine } from '#commands/getopt.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import { processConsole, type Console } from '#commands/console.ts'
import { peekAt } from '#queue/peek.ts'
import { isQueueId, openSpool, relativePath, type QueueName, type Spool } from '#queue/spool.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import { FileListing, ShowError, type ShowOptions } from './show.ts'

const PROGRAM = typedAs('postcat')
const USAGE = `usage: ${PROGRAM} [-b (body text)] [-c config_dir] [-d (decimal record type)] [-e (envelope records)]`
  + ' [-h (header text)] [-q (access queue)] [-v] [file(s)...]'

/** Queues in which `-q` looks, in this order. */
const SEARCHED_QUEUES: readonly QueueName[] = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'saved']

function showOptions(letters: ReadonlyMap<string, string | undefined>): ShowOptions {
  const has = (letter: string): boolean => letters.has(letter)
  const all = !has('b') && !has('e') && !has('h')
  const start = letters.get('s')
  if (start !== undefined && !/^\d{1,15}$/.test(start)) fatal(PROGRAM, `bad offset: ${start}`)
  return {
    envelope: all || has('e'),
    header: all || has('h'),
    body: all || has('b'),
    offsets: has('o'),
    types: has('d'),
    prefix: has('f'),
    verbose: has('v'),
    raw: has('r'),
    start: start === undefined ? undefined : Number(start),
  }
}

function showSource(name: string, source: number | Uint8Array, options: ShowOptions, console: Console): void {
  try {
    new FileListing(name, source, options, console).run()
  } catch (error) {
    if (error instanceof ShowError) fatal(PROGRAM, error.message)
    if (errnoCode(error) === undefined) throw error
    // A directory, a bad disk.
    console.err(`${PROGRAM}: warning: close ${name}: ${errnoText(error)}`)
  }
}

function showFile(path: string, name: string, options: ShowOptions, console: Console): void {
  const fd = openOrExplain(path, `open ${name}`)
  try {
    showSource(name, fd, options, console)
  } finally {
    closeSync(fd)
  }
}

function openOrExplain(path: string, action: string): number {
  try {
    return openSync(path, 'r')
  } catch (error) {
    return fatal(PROGRAM, `${action}: ${errnoText(error)}`)
  }
}

/** Shows the message with this id from the first queue that has it. */
function showQueued(spool: Spool, id: string, options: ShowOptions, console: Console): void {
  if (!isQueueId(id)) fatal(PROGRAM, `bad mail queue ID: ${id}`)
  for (const queue of SEARCHED_QUEUES) {
    const name = relativePath(spool, queue, id)
    try {
      if (peekAt(spool, queue, id, (source) => showSource(name, source, options, console))) return
    } catch (error) {
      if (errnoCode(error) === undefined) throw error
      fatal(PROGRAM, `open queue file ${id}: ${errnoText(error)}`)
    }
  }
  fatal(PROGRAM, `open queue file ${id}: No such file or directory`)
}

function showStandardInput(options: ShowOptions, console: Console): void {
  // Pointers lead back and forth, and a pipe does not: it is read as a whole.
  showSource('stdin', readFileSync(0), options, console)
}

function run({ options: typed, operands }: CommandLine, console: Console): void {
  const letters = new Map(typed.map(([letter, value]) => [letter, value] as const))
  const config = loadTrustedConfig(PROGRAM, letters.get('c'))
  const options = showOptions(letters)
  if (operands.length === 0) {
    if (!letters.has('q')) showStandardInput(options, console)
    return
  }
  if (!letters.has('q')) {
    for (const file of operands) showFile(file, file, options, console)
    return
  }
  enterQueue(config, (text) => fatal(PROGRAM, text))
  const spool = openSpool(config, '.')
  for (const id of operands) showQueued(spool, id, options, console)
}

/** Runs the command. @throws {CommandExit} */
export function main(argv: readonly string[], console: Console = processConsole): number {
  run(parseOrUsage(PROGRAM, 'bc:defhoqrs:v', argv, { usage: USAGE, exitCode: 1 }), console)
  return 0
}

if (import.meta.main) runCommand((argv) => main(argv))
