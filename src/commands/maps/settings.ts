/**
 * What postmap and postalias have in common: their options as settings, and how
 * names of tables on the command line are read.
 */
import type { Config } from '#config/config.ts'
import { log, openLog, setLog } from '#system/log.ts'
import type { CommandLine } from '#commands/getopt.ts'
import { fatal } from '#commands/getopt.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import type { Console } from '#commands/console.ts'

/** Settings of one run. */
export type MapSettings = {
  /** `postmap` or `postalias`. */
  readonly program: string
  readonly config: Config
  readonly console: Console
  /** Fold the case of keys; `-f` turns it off. */
  readonly fold: boolean
  /** `-N` keys and values with a NUL behind, `-n` without; otherwise as the type wants. */
  readonly trailingNul: boolean | undefined
  /** What happens to a key that is there already: default, `-w`, `-r`. */
  readonly duplicates: 'warn' | 'ignore' | 'replace'
  /** `-F`: values name files, whose content counts. */
  readonly fileContent: boolean
  /** `-j` */
  readonly json: boolean
  /** The file gets the owner of its source; `-o` turns it off. */
  readonly asOwner: boolean
  /** The file gets the mode of its source; `-p` turns it off. */
  readonly savePermissions: boolean
}

/** What the command line asks for; the value of `-d` and `-q` is a key, or `-` for keys on standard input. */
export type MapAction =
  | { readonly kind: 'build' }
  | { readonly kind: 'update' }
  | { readonly kind: 'query'; readonly key: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'list' }

/** One table named on the command line. */
export type MapName = { readonly type: string; readonly name: string; readonly spec: string }

/** Lines of the log go to standard error, as `program: warning: ...`. */
export function logToStandardError(program: string): void {
  setLog(openLog({ ident: program, destination: { kind: 'stderr', tag: program } }))
}

/** Ends the command after what was logged before. @throws {CommandExit} */
export function die(program: string, text: string): never {
  log.flush()
  return fatal(program, text)
}

/** The configuration, with `-u` and `-U` in it. @throws {CommandExit} */
function configOf(program: string, letters: ReadonlyMap<string, string | undefined>): Config {
  log.flush()
  const config = loadTrustedConfig(program, letters.get('c'))
  if (letters.has('U')) return config.withOverrides(new Map([['smtputf8_enable', 'yes']]))
  return letters.has('u') ? config.withOverrides(new Map([['smtputf8_enable', 'no']])) : config
}

/** The settings that option letters ask for. @throws {CommandExit} The configuration cannot be read. */
export function settingsOf(program: string, { options }: CommandLine, console: Console): MapSettings {
  const letters = new Map(options.map(([letter, value]) => [letter, value] as const))
  // Of -n and -N, and of -r and -w, the later one counts.
  const last = (...of: string[]): string | undefined => options.findLast(([letter]) => of.includes(letter))?.[0]
  const nul = last('n', 'N')
  const onDuplicate = last('r', 'w')
  return {
    program,
    config: configOf(program, letters),
    console,
    fold: !letters.has('f'),
    trailingNul: nul === undefined ? undefined : nul === 'N',
    duplicates: onDuplicate === 'r' ? 'replace' : onDuplicate === 'w' ? 'ignore' : 'warn',
    fileContent: letters.has('F'),
    json: letters.has('j'),
    asOwner: !letters.has('o'),
    savePermissions: !letters.has('p'),
  }
}

/** What to do. @throws {CommandExit} More than one of -d, -i, -q and -s. */
export function actionOf(program: string, { options }: CommandLine): MapAction {
  let action: MapAction = { kind: 'build' }
  for (const [letter, key = ''] of options) {
    if (!'diqs'.includes(letter)) continue
    if (action.kind !== 'build') return die(program, 'specify only one of -d -i -q or -s')
    if (letter === 'd') action = { kind: 'delete', key }
    else if (letter === 'i') action = { kind: 'update' }
    else if (letter === 'q') action = { kind: 'query', key }
    else action = { kind: 'list' }
  }
  return action
}

/** Reads `type:name`, or `name` for a table of the default type. */
export function mapName(operand: string, config: Config): MapName {
  const colon = operand.indexOf(':')
  const type = colon > 0 ? operand.slice(0, colon) : config.str('default_database_type')
  const name = operand.slice(colon + 1)
  return { type, name, spec: `${type}:${name}` }
}
