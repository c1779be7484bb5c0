/**
 * qshape: shows how the queue is spread over domains and ages.
 *
 * Reads:       queue directories: incoming and active, or those named.
 * Privileges:  those of the caller, who must be able to read the queue.
 * Diagnostics: files that are not whole messages are left out without a word.
 *
 * @module
 */
import { isAbsolute, join } from 'node:path'
import { CommandExit, GetoptError, parseCommandLine, runCommand, type CommandLine } from '#commands/getopt.ts'
import { isTerminal, processConsole, type Console } from '#commands/console.ts'
import { ConfigError } from '#config/error.ts'
import { loadConfig } from '#config/load.ts'
import { errnoText } from '#system/errno.ts'
import { files } from '#system/files.ts'
import { readShape } from './message.ts'
import { ShapeTable, type TableOptions } from './table.ts'
import { USAGE_LINES } from './usage.ts'

const PROGRAM = 'qshape'
const DEFAULT_QUEUES = ['incoming', 'active']
const DEFAULTS = { buckets: 10, minutes: 5, width: 80, parentsMin: 5, batch: 1000, top: 20 } as const
const CLEAR_SCREEN = '\u001b[H\u001b[2J'

/** Options as typed; those without a value have none. */
type Letters = ReadonlyMap<string, string | undefined>
/** Results in between: after so many messages, of so many lines; 0: none, all. */
type Batch = { readonly messages: number; readonly lines: number }

function usage(problem: string | undefined): never {
  const first = problem === undefined ? [] : [`${PROGRAM}: ${problem}`]
  throw new CommandExit([...first, `Usage: ${PROGRAM} ${USAGE_LINES.join('\n')}`].join('\n'), 255)
}

function parse(argv: readonly string[]): CommandLine {
  try {
    return parseCommandLine(PROGRAM, 'lhc:psw:b:t:m:n:N:', argv)
  } catch (error) {
    if (!(error instanceof GetoptError)) throw error
    const letter = /'(.)'/.exec(error.message)?.[1] ?? '?'
    return usage(`Unknown option: ${letter}`)
  }
}

/** The number of an option, when it is one above the minimum. */
function numberOption(letters: Letters, letter: string, fallback: number, minimum = 0): number {
  const value = Number.parseInt(letters.get(letter) ?? '', 10)
  return value > minimum ? value : fallback
}

function tableOptions(letters: Letters): TableOptions {
  return {
    buckets: numberOption(letters, 'b', DEFAULTS.buckets),
    minutes: numberOption(letters, 't', DEFAULTS.minutes),
    linear: letters.has('l'),
    width: numberOption(letters, 'w', DEFAULTS.width, DEFAULTS.width),
    parents: letters.has('p'),
    parentsMin: numberOption(letters, 'm', DEFAULTS.parentsMin),
  }
}

/** On a terminal results are shown while the queue is read, and only the first lines of them. */
function batchOf(letters: Letters): Batch {
  if (!isTerminal('stdout')) return { messages: 0, lines: 0 }
  return {
    messages: numberOption(letters, 'N', DEFAULTS.batch, -1),
    lines: numberOption(letters, 'n', DEFAULTS.top, -1),
  }
}

function queueDirectory(directory: string | undefined): string {
  try {
    return loadConfig(directory).str('queue_directory')
  } catch (error) {
    if (error instanceof ConfigError) throw new CommandExit(`${PROGRAM}: ${error.message}`, 1)
    throw error
  }
}

/** All files below a directory, whatever their depth. */
function* filesBelow(path: string, console: Console): Generator<{ path: string; name: string }, void> {
  let reader
  try {
    reader = files.openDirectory(path)
  } catch (error) {
    console.err(`Can't opendir(${path}): ${errnoText(error)}`)
    return
  }
  try {
    for (let name = reader.read(); name !== undefined; name = reader.read()) {
      const below = `${path}/${name}`
      if (files.lstat(below)?.isDirectory) yield* filesBelow(below, console)
      else yield { path: below, name }
    }
  } finally {
    reader.close()
  }
}

function show(table: ShapeTable, batch: Batch, console: Console): void {
  const lines = table.lines()
  const shown = batch.lines > 0 ? lines.slice(0, batch.lines + 1) : lines
  console.out(Buffer.from(`${batch.messages > 0 ? CLEAR_SCREEN : ''}${shown.join('\n')}\n`, 'latin1'))
}

/** Runs the command. @throws {CommandExit} */
export function main(argv: readonly string[], console: Console = processConsole): number {
  const { options, operands } = parse(argv)
  const letters = new Map(options.map(([letter, value]) => [letter, value] as const))
  if (letters.has('h')) usage(undefined)
  const queues = operands.length > 0 ? operands : DEFAULT_QUEUES
  const base = queues.every(isAbsolute) ? '/' : queueDirectory(letters.get('c'))
  const table = new ShapeTable(tableOptions(letters), Math.floor(Date.now() / 1000))
  const batch = batchOf(letters)
  let messages = 0
  for (const queue of queues) {
    for (const { path, name } of filesBelow(isAbsolute(queue) ? queue : join(base, queue), console)) {
      const shape = readShape(path, name)
      if (!shape) continue
      table.add(shape.time, letters.has('s') ? [shape.sender] : shape.recipients)
      if (batch.messages > 0 && ++messages % batch.messages === 0) show(table, batch, console)
    }
  }
  show(table, batch, console)
  return 0
}

if (import.meta.main) runCommand((argv) => main(argv))
