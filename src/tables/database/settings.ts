/**
 * Settings of a database table, wherever they are: `pgsql:/etc/postfix/virtual.cf` has a file
 * of its own, in the form of main.cf, with the names as they are; `pgsql:virtual` takes
 * `virtual_hosts`, `virtual_query` and so on from main.cf.
 *
 * A `$` in a file is a dollar sign; main.cf expands `$name` as in every value.
 *
 * Diagnostics: TableOpenError in Postfix's words; warnings for lines that are skipped or overridden.
 * Source: mysql_table(5), "OBSOLETE MAIN.CF PARAMETERS"; likewise in the pages of the other types.
 *
 * @module
 */
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { parseMainCf } from '#config/main-cf.ts'
import { checkLength, parseBoolean, parseInteger } from '#config/value.ts'
import { TableOpenError } from '#tables/table.ts'
import { decodeRaw } from '#util/raw-text.ts'

/** Bounds of a number, or of the length of a text in bytes; 0 or nothing: no bound. */
export type SettingBounds = { readonly min?: number; readonly max?: number }

/** The settings of one table. Every function throws TableOpenError for a value that cannot be used. */
export interface Settings {
  /** The path of the file, or the prefix in main.cf: what log lines call the table. */
  readonly name: string
  /** Who owns the file; `undefined` for settings in main.cf. */
  readonly owner: number | undefined
  /** The text of a setting; `fallback` where it is not set. An empty value is a value. */
  str(setting: string, fallback: string, bounds?: SettingBounds): string
  /** The text of a setting; `undefined` where it is not set or empty. */
  optional(setting: string, bounds?: SettingBounds): string | undefined
  /** Whether it is set, empty or not. */
  has(setting: string): boolean
  int(setting: string, fallback: number, bounds?: SettingBounds): number
  bool(setting: string, fallback: boolean): boolean
}

/** Settings whose values do not go into a log. */
const SECRETS: ReadonlySet<string> = new Set(['password', 'bind_pw'])

/** Where values come from, and how messages call them. */
type Source = {
  readonly name: string
  readonly owner: number | undefined
  /** The text of a setting, or `undefined`. */
  readonly find: (setting: string) => string | undefined
  /** What stands before a message, and what a setting is called in it. */
  readonly before: string
  readonly title: (setting: string) => string
}

/** Runs one of config's readers; its message becomes one of this table. @throws {TableOpenError} */
function reading<T>({ before }: Source, read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof ConfigError) throw new TableOpenError(before + error.message)
    throw error
  }
}

function limits({ min = 0, max = 0 }: SettingBounds = {}): { min: number; max: number } {
  return { min, max }
}

function settingsFrom(source: Source): Settings {
  const { name, owner, find, title } = source
  const note = (setting: string, value: string): void => {
    if (log.verbose) log.debug(`${name}: ${setting} = ${SECRETS.has(setting) ? '(hidden)' : value}`)
  }
  const str = (setting: string, fallback: string, bounds?: SettingBounds): string => {
    const text = reading(source, () => checkLength(title(setting), find(setting) ?? fallback, limits(bounds)))
    note(setting, text)
    return text
  }
  return {
    name,
    owner,
    str,
    optional: (setting, bounds) => str(setting, '', bounds) || undefined,
    has: (setting) => find(setting) !== undefined,
    int(setting, fallback, bounds) {
      const text = find(setting) ?? String(fallback)
      note(setting, text)
      return reading(source, () => parseInteger(title(setting), text, 'int', limits(bounds)))
    },
    bool(setting, fallback) {
      const text = find(setting) ?? (fallback ? 'yes' : 'no')
      note(setting, text)
      return reading(source, () => parseBoolean(title(setting), text))
    },
  }
}

/** The bytes of a file and who owns it. @throws {TableOpenError} */
function readFile(path: string): { text: string; owner: number } {
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    return { text: decodeRaw(readFileSync(fd)), owner: fstatSync(fd).uid }
  } catch (error) {
    throw new TableOpenError(`${fd === undefined ? 'open' : 'read'} ${path}: ${errnoText(error)}`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/**
 * The settings in the text of a table's own file.
 *
 * @param file Its path, for messages.
 * @throws {TableOpenError} A line is not `name = value`.
 */
export function parseSettings(text: string, file: string, owner?: number): Settings {
  const source: Source = { name: file, owner, before: `${file}: `, find: (setting) => values.get(setting), title: (setting) => setting }
  const { values, warnings } = reading({ ...source, before: '' }, () => parseMainCf(text, file))
  for (const warning of warnings) log.warning(warning)
  return settingsFrom(source)
}

/** Settings `name_setting` of main.cf. */
function settingsInMain(name: string, config: Config): Settings {
  const title = (setting: string): string => `${name}_${setting}`
  const find = (setting: string): string | undefined => {
    const parameter = title(setting)
    // The second name is not looked at: this one is set.
    return config.isSet(parameter) ? config.dynamic(parameter, 'mail_name') : undefined
  }
  const source: Source = { name, owner: undefined, before: '', title, find: (setting) => reading(source, () => find(setting)) }
  return settingsFrom(source)
}

/**
 * The settings of a table.
 *
 * @param name What follows the type: a path (`/…` or `.…`), or a prefix of names in main.cf.
 * @throws {TableOpenError} The file cannot be read: `open /etc/x.cf: No such file or directory`.
 */
export function openSettings(name: string, config: Config): Settings {
  if (!/^[./]/.test(name)) return settingsInMain(name, config)
  const { text, owner } = readFile(name)
  return parseSettings(text, name, owner)
}
