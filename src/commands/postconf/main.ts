/**
 * postconf: shows and edits main.cf and master.cf.
 *
 * Talks to:      nobody.
 * Reads, writes: main.cf, master.cf, the files of database tables they name; writes by a new file and rename.
 * Privileges:    none of its own; the user must be able to read, or replace, the files.
 * Diagnostics:   warnings about names nothing uses or that are deprecated, on standard error; exit status 1 on error.
 * Standards:     postconf(1).
 *
 * @module
 */
import { processConsole as standard } from '#commands/console.ts'
import { CommandExit, runCommand, warn as printWarning } from '#commands/getopt.ts'
import { ConfigError } from '#config/error.ts'
import { configDirectory, loadConfig } from '#config/load.ts'
import { editMain } from './edit-main.ts'
import { editMaster } from './edit-master.ts'
import { CLIENT_SASL_TYPES, LOCK_TYPES, SERVER_SASL_TYPES, tableTypes, tlsFacts } from './facts.ts'
import type { Style } from './layout.ts'
import { PROGRAM, readOptions, type PostconfOptions } from './options.ts'
import { Session } from './session.ts'
import { showMain } from './show-main.ts'
import { showMaster } from './show-master.ts'
import { showTemplates, templateReader } from './templates.ts'

/** Where a run writes; tests replace it. */
export type PostconfConsole = {
  readonly out: (text: string) => void
  /** `program` stands before the warning; without it, postconf. */
  readonly warn: (text: string, program?: string) => void
  /** What `-v` says beside the result. */
  readonly note?: (text: string) => void
}

const processConsole: PostconfConsole = {
  out: (text) => { standard.out(text) },
  warn: (text, program = PROGRAM) => { printWarning(program, text) },
  note: (text) => { standard.err(`${PROGRAM}: ${text}`) },
}

/**
 * Runs postconf.
 *
 * @param argv Arguments without the program's name.
 * @returns The exit status.
 * @throws {CommandExit} Wrong usage, or a configuration that cannot be used.
 */
export async function main(argv: readonly string[], { out, warn, note }: PostconfConsole = processConsole): Promise<number> {
  const options = readOptions(argv)
  if (options.letters.has('v')) note?.(intention(options))
  const console = { out, warn: (text: string, program?: string) => warn(printableBytes(text), program) }
  try {
    await run(options, console)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const text of error.warnings) console.warn(text)
    throw new CommandExit(`${PROGRAM}: fatal: ${printableBytes(error.message)}`, 1)
  }
  return 0
}

/** What a run is about to do, and to which files. */
function intention({ subject, edit: mode, directory }: PostconfOptions): string {
  const file = ['M', 'F', 'P'].includes(subject) ? 'master.cf' : 'main.cf'
  return `${mode === undefined ? 'read' : 'edit'} ${configDirectory(directory)}/${file}`
}

async function run(options: PostconfOptions, console: PostconfConsole): Promise<void> {
  const { subject } = options
  switch (subject) {
    case 'p':
    case 'M':
    case 'F':
    case 'P':
      if (options.edit !== undefined) edit(options, console)
      else await show(options, console)
      return
    case 'b':
    case 't':
      return showNotices(subject, options, console)
    default:
      for (const line of await facts(options, console)) console.out(`${line}\n`)
  }
}

/** Messages carry the name of the service that reads the templates, as those of Postfix do. */
function showNotices(
  letter: 'b' | 't', { directory, operands }: PostconfOptions, { out, warn }: PostconfConsole,
): void {
  if (operands.length > 1) throw new ConfigError('options -b and -t require at most one template file')
  const reader = templateReader(directory)
  try {
    for (const text of showTemplates(letter, directory, operands[0], (problem) => warn(problem, reader))) out(text)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const text of error.warnings) warn(text, reader)
    throw new CommandExit(`${reader}: fatal: ${printableBytes(error.message)}`, 1)
  }
}

/** The lists show nothing of main.cf, but need one that can be read. */
async function facts(options: PostconfOptions, { warn }: PostconfConsole): Promise<readonly string[]> {
  const { subject, tlsTopics } = options
  loadConfig(options.directory)
  if (subject === 'a') return SERVER_SASL_TYPES
  if (subject === 'A') return CLIENT_SASL_TYPES
  if (subject === 'l') return LOCK_TYPES
  if (subject === 'm') return tableTypes()
  const [topic = ''] = tlsTopics
  const lines = tlsFacts(topic)
  if (lines !== undefined) return lines
  warn(`unknown 'postconf -T' mode: ${topic}`)
  throw new CommandExit('', 1)
}

function edit({ subject, edit: mode, operands, directory }: PostconfOptions, { warn }: PostconfConsole): void {
  if (mode === undefined) return
  if (operands.length === 0) {
    throw new ConfigError(mode === 'e' ? '-e requires name=value argument' : 'missing service argument')
  }
  const where = configDirectory(directory)
  if (subject === 'M' || subject === 'F' || subject === 'P') {
    editMaster(`${where}/master.cf`, subject, mode, operands, warn)
  } else {
    editMain(`${where}/main.cf`, mode, operands, warn)
  }
}

async function show(options: PostconfOptions, { out, warn }: PostconfConsole): Promise<void> {
  const { subject, letters, operands } = options
  const environment = process.env['MAIL_CONFIG'] ?? ''
  const ofMaster = subject === 'M' || subject === 'F' || subject === 'P'
  const session = new Session({
    directory: configDirectory(options.directory),
    directoryGiven: options.directory !== undefined || environment !== '',
    overrides: options.overrides,
    defaults: letters.has('d'),
    needsMaster: ofMaster,
    quiet: letters.has('q'),
    warn,
  })
  if (options.classes.has('help')) {
    const { showHelp } = await import('./show-help.ts')
    const ours = (name: string) => session.names.get(name)?.classes.some((own) => own !== 'user') === true
    for (const line of showHelp(operands.length > 0 ? operands : session.sortedNames().filter(ours), session.names, warn)) out(line)
    return
  }
  const style = styleOf(letters)
  const expand = letters.has('x')
  const lines = ofMaster
    ? showMaster(session, { subject, patterns: operands, expand, everyParameter: options.everyParameter }, style, warn)
    : showMain(session, {
        names: operands, classes: options.classes, onlySet: letters.has('n'), defaults: letters.has('d'), expand,
      }, style, warn)
  for (const line of lines) out(line)
  if (!ofMaster && !letters.has('d')) session.warnUnusedMain()
  if (!letters.has('d')) session.warnUnusedMaster()
  session.warnEnd()
}

function styleOf(letters: ReadonlySet<string>): Style {
  return {
    fold: letters.has('f'), json: letters.has('j'), hideName: letters.has('h'), hideValue: letters.has('H'),
  }
}

/** Messages show each byte that is not printable ASCII as a question mark. */
function printableBytes(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1').replaceAll(/[^\u0020-\u007e]/g, '?')
}

if (import.meta.main) runCommand(main)
