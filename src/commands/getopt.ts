/**
 * Command lines in the manner of getopt(3), read by commander: one-letter options,
 * in the order they were typed, up to the first operand.
 *
 * Every tool of Posthorn accepts its options as Postfix's tool does, and prints what
 * getopt and the tool print when it cannot: `prog: invalid option -- 'z'`, then
 * `prog: fatal: usage: …`. A tool's main function returns its exit status and throws
 * CommandExit to end early, so that tests call it without a child process.
 *
 * @module
 */
import { basename } from 'node:path'
import { Command, CommanderError, Option } from 'commander'
import { ConfigError } from '#config/error.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import { typedAs } from './called-as.ts'
import { processConsole } from './console.ts'

/** One option as typed: its letter, and its value when the letter takes one. */
export type TypedOption = readonly [letter: string, value?: string]

/** A command line taken apart: options in order of appearance, then the operands. */
export type CommandLine = { readonly options: readonly TypedOption[]; readonly operands: readonly string[] }

/** Ends a command: `text` (if any) goes to standard error, whole lines; then the process ends with `exitCode`. */
export class CommandExit extends Error {
  readonly exitCode: number

  constructor(text: string, exitCode: number) {
    super(text)
    this.name = 'CommandExit'
    this.exitCode = exitCode
  }
}

/** An option that the command does not know, or that lacks its value; `message` is getopt's line without a newline. */
export class GetoptError extends Error {
  override readonly name = 'GetoptError'
}

/**
 * Takes a command line apart. Options stop at the first operand or at `--`.
 *
 * @param program Name for error texts.
 * @param spec Option letters as for getopt: `c:d:fv`; a colon follows a letter that takes a value.
 * @param argv Arguments, without the program name.
 * @throws {GetoptError} When an option is unknown or lacks its value.
 */
export function parseCommandLine(program: string, spec: string, argv: readonly string[]): CommandLine {
  const options: TypedOption[] = []
  const command = quietCommand(program)
  for (const [, letter = '', colon = ''] of spec.matchAll(/([^:])(:?)/g)) {
    command.addOption(new Option(colon === '' ? `-${letter}` : `-${letter} <value>`))
    command.on(`option:${letter}`, (value: string | null) => {
      options.push(colon === '' ? [letter] : [letter, value ?? ''])
    })
  }
  try {
    command.parse([...argv], { from: 'user' })
  } catch (error) {
    if (error instanceof CommanderError) throw new GetoptError(getoptText(program, error))
    throw error
  }
  refuseDashOperand(program, argv, command.args)
  return { options, operands: command.args }
}

/**
 * Like parseCommandLine(), but an error ends the command as Postfix's tools end: getopt's line, then the usage.
 *
 * @param usage Text after `fatal: `, such as `usage: postqueue -f | …`.
 * @throws {CommandExit}
 */
export function parseOrUsage(
  program: string, spec: string, argv: readonly string[], failure: { readonly usage: string; readonly exitCode: number },
): CommandLine {
  try {
    return parseCommandLine(program, spec, argv)
  } catch (error) {
    if (!(error instanceof GetoptError)) throw error
    throw new CommandExit(`${error.message}\n${program}: fatal: ${failure.usage}`, failure.exitCode)
  }
}

/**
 * Ends the command with `program: fatal: text`.
 *
 * @throws {CommandExit} Always.
 */
export function fatal(program: string, text: string, exitCode = 1): never {
  throw new CommandExit(`${program}: fatal: ${text}`, exitCode)
}

/** Writes `program: warning: text` to standard error. */
export function warn(program: string, text: string): void {
  processConsole.err(`${program}: warning: ${text}`)
}

/**
 * Runs a command as this process: its exit status becomes the process's. Returns at the command's first wait.
 *
 * @param main Gets the arguments without the program's name; returns the exit status.
 */
export function runCommand(main: (argv: readonly string[]) => number | Promise<number>): void {
  // Node.js would end with success when a promise is never kept.
  process.once('beforeExit', unfinished)
  void statusOf(main).then((status) => {
    process.off('beforeExit', unfinished)
    process.exitCode = status
  })
}

/** EX_SOFTWARE */
const UNFINISHED = 70

function unfinished(): void {
  processConsole.err('Cannot finish as there is nothing left to wait for')
  process.exitCode = UNFINISHED
}

async function statusOf(main: (argv: readonly string[]) => number | Promise<number>): Promise<number> {
  try {
    return await main(process.argv.slice(2))
  } catch (error) {
    const { message, exitCode } = exitFor(error)
    if (message !== '') processConsole.err(message)
    return exitCode
  }
}

/** Commands that show their name as it was typed. */
const SHOW_PATH: ReadonlySet<string> = new Set(['postconf', 'postcat', 'postlock'])

/** How an error ends the command: what the system or the configuration refuses is no bug, whatever did not expect it. */
function exitFor(error: unknown): CommandExit {
  if (error instanceof CommandExit) return error
  if (!(error instanceof ConfigError) && errnoCode(error) === undefined) throw error
  const standard = basename((process.argv[1] ?? process.argv0).replace(/\/main\.[jt]s$/, ''))
  const program = SHOW_PATH.has(standard) ? typedAs(standard) : standard
  const path = error instanceof Error && 'path' in error && typeof error.path === 'string' ? `${error.path}: ` : ''
  return new CommandExit(`${program}: fatal: ${path}${errnoText(error)}`, 1)
}

/** A commander command that neither prints nor exits by itself. */
function quietCommand(program: string): Command {
  return new Command(program)
    .helpOption(false)
    .allowExcessArguments()
    .passThroughOptions()
    .exitOverride()
    .configureOutput({ writeOut: () => {}, writeErr: () => {} })
}

/** getopt's words for commander's error. */
function getoptText(program: string, error: CommanderError): string {
  const letter = /'-(.)/u.exec(error.message)?.[1] ?? '-'
  return error.code === 'commander.optionMissingArgument'
    ? `${program}: option requires an argument -- '${letter}'`
    : `${program}: invalid option -- '${letter}'`
}

/** commander takes `-5` for a number and so for an operand; to getopt it is an option. */
function refuseDashOperand(program: string, argv: readonly string[], operands: readonly string[]): void {
  const first = operands[0]
  if (first === undefined || !/^-./.test(first)) return
  const before = argv.slice(0, argv.length - operands.length)
  if (before.at(-1) === '--') return
  throw new GetoptError(`${program}: invalid option -- '${first.charAt(1)}'`)
}
