/**
 * postmap and postalias: one command line, two forms of source.
 *
 * @module
 */
import { CommandExit, parseOrUsage, runCommand, type CommandLine } from '#commands/getopt.ts'
import { processConsole, standardInput, type Console } from '#commands/console.ts'
import type { Config } from '#config/config.ts'
import { openProgramLog, LogConfigError } from '#service/logging.ts'
import { useProxymap } from '#service/proxymap.ts'
import { log, setLog } from '#system/log.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { deleteKeys } from './delete.ts'
import { linesOf, readAll } from './lines.ts'
import { listEntries, queryKey, queryLines, type EntryStyle } from './query.ts'
import { actionOf, die, logToStandardError, mapName, settingsOf, type MapAction, type MapName, type MapSettings } from './settings.ts'

/** Standard input. */
export type Input = AsyncIterable<Uint8Array | string>

/** What one of the two commands does in its own way. */
export type MapCommand = {
  readonly program: string
  /** Option letters, as for getopt. */
  readonly options: string
  readonly usage: string
  readonly style: EntryStyle
  /** Makes a table from its source. @throws {CommandExit} */
  build(name: MapName, settings: MapSettings): void | Promise<void>
  /** Adds entries. @throws {CommandExit} */
  update(name: MapName, input: string, settings: MapSettings): void | Promise<void>
  /** Takes a query over, when options of its own say so: its exit status. @throws {CommandExit} */
  query?(line: CommandLine, action: MapAction, names: () => readonly MapName[], settings: () => MapSettings, input: Input): Promise<number> | undefined
}

/** The main function of a command. `started` is told the configuration and whether `-v` was typed, before the work. */
export type MapMain = (argv: readonly string[], console?: Console, input?: Input, started?: (config: Config, verbose: boolean) => void) => Promise<number>

async function change(command: MapCommand, names: readonly MapName[], action: MapAction, settings: MapSettings, input: Input): Promise<number> {
  if (action.kind === 'delete') {
    const keys = action.key === '-' ? await Array.fromAsync(linesOf(input)) : [action.key]
    return deleteKeys(names, keys, settings)
  }
  const added = action.kind === 'update' ? decodeRaw(await readAll(input)) : undefined
  for (const name of names) {
    if (added === undefined) await command.build(name, settings)
    else await command.update(name, added, settings)
  }
  return 0
}

/** Makes the main function of a command. It returns the exit status and throws `CommandExit`. */
export function mapCommand(command: MapCommand): MapMain {
  const { program, options, usage, style } = command
  return async (argv, console = processConsole, input = standardInput(), started = () => undefined) => {
    const line = parseOrUsage(program, options, argv, { usage, exitCode: 1 })
    const action = actionOf(program, line)
    let settings: MapSettings | undefined
    const settle = (): MapSettings => {
      if (settings !== undefined) return settings
      settings = settingsOf(program, line, console)
      useProxymap(settings.config.str('queue_directory'))
      started(settings.config, line.options.some(([letter]) => letter === 'v'))
      return settings
    }
    const names = (): MapName[] => line.operands.map((operand) => mapName(operand, settle().config))
    const taken = command.query?.(line, action, names, settle, input)
    if (taken !== undefined) return taken
    if (action.kind === 'list') return listEntries(names(), settle(), style)
    if (line.operands.length === 0) return die(program, usage)
    if (action.kind !== 'query') return change(command, names(), action, settle(), input)
    return action.key === '-' ? queryLines(names(), input, settle(), style) : queryKey(names(), action.key, settle())
  }
}

/** From here on the log goes where those of all programs go, and to standard error. */
function logAsConfigured(program: string, config: Config, verbose: boolean): void {
  try {
    setLog(openProgramLog(config, { program, stderr: program, verbose }))
  } catch (error) {
    if (!(error instanceof LogConfigError)) throw error
    throw new CommandExit(`${program}: fatal: ${error.message}`, 1)
  }
}

/**
 * Runs a command whose log goes where those of all programs go, with what ends it.
 *
 * @throws {CommandExit} What ended it is no line of its own: a wrong command line.
 */
export async function runLogged(program: string, main: MapMain, argv: readonly string[]): Promise<number> {
  const fatal = `${program}: fatal: `
  try {
    return await main(argv, undefined, undefined, (config, verbose) => logAsConfigured(program, config, verbose))
  } catch (error) {
    if (!(error instanceof CommandExit) || !error.message.startsWith(fatal)) throw error
    log.fatal(error.message.slice(fatal.length))
    return error.exitCode
  }
}

/** Runs a command as this process. What ends it goes to the log too. */
export function runMapCommand(program: string, main: MapMain): void {
  logToStandardError(program)
  runCommand((argv) => runLogged(program, main, argv))
}
