/**
 * Reading a configuration from its directory, or making one of given values.
 *
 * @module
 */
import { Config } from './config.ts'
import { readConfigFile } from './file.ts'
import { parseMainCf, type MainCf } from './main-cf.ts'

export { readConfigFile }

/** Where the configuration is when neither `-c` nor MAIL_CONFIG says so. */
export const DEFAULT_CONFIG_DIRECTORY = '/etc/postfix'

/** The configuration directory: the one given (`-c`), else MAIL_CONFIG, else the default. */
export function configDirectory(given?: string): string {
  const environment = process.env['MAIL_CONFIG']
  return given ?? (environment === undefined || environment === '' ? DEFAULT_CONFIG_DIRECTORY : environment)
}

/**
 * Reads main.cf.
 *
 * @param directory Default: see configDirectory().
 * @param warn Gets the text of each warning about the file.
 * @throws {ConfigError} The file cannot be read, or has a line that is no definition.
 */
export function loadConfig(directory?: string, warn?: (text: string) => void): Config {
  const where = configDirectory(directory)
  const { values, warnings } = readMainCf(where)
  if (warn !== undefined) warnings.forEach(warn)
  return new Config({ directory: where, values })
}

/** main.cf of a directory, with the warnings that `postconf` prints. @throws {ConfigError} */
export function readMainCf(directory: string): MainCf {
  const file = `${directory}/main.cf`
  return parseMainCf(readConfigFile(file), file)
}

/** A configuration of the given values alone, for tests and for programs that run without main.cf. */
export function configFrom(values: Readonly<Record<string, string>>, directory = DEFAULT_CONFIG_DIRECTORY): Config {
  return new Config({ directory, values: new Map(Object.entries(values)) })
}
