/**
 * The configuration, for commands: what is wrong with it ends the command.
 *
 * @module
 */
import { fatal } from './getopt.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { loadConfig } from '#config/load.ts'

/**
 * Reads main.cf of `directory` (`-c`), or of MAIL_CONFIG.
 *
 * @throws {CommandExit} `program: fatal: open …: No such file or directory`, with this exit status.
 */
export function loadConfigOrExit(program: string, directory: string | undefined, exitCode = 1): Config {
  try {
    return loadConfig(directory)
  } catch (error) {
    if (error instanceof ConfigError) return fatal(program, error.message, exitCode)
    throw error
  }
}
