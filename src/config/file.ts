/**
 * Reading a configuration file whole.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { ConfigError } from './error.ts'

/** The text of a configuration file. @throws {ConfigError} It cannot be read. */
export function readConfigFile(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new ConfigError(`open ${file}: ${errnoText(error)}`)
  }
}
