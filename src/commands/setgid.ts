/**
 * Commands that may be set-gid: what the caller gives them is not trusted.
 *
 * With the rights of another group a command reads only configurations that the
 * default one names, and keeps only the environment that import_environment lets in.
 *
 * Source: postconf(5) alternate_config_directories, multi_instance_directories, import_environment.
 *
 * @module
 */
import { checkBasics } from '#config/basics.ts'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { configDirectory, DEFAULT_CONFIG_DIRECTORY, loadConfig } from '#config/load.ts'
import { LogConfigError, logDestination } from '#service/logging.ts'
import { filterEnvironment } from '#system/environment.ts'
import { CommandExit, fatal, warn } from './getopt.ts'

/** Whether this process has rights that its caller has not. root has all rights anyway. */
export function hasExtraRights(): boolean {
  const { getuid, geteuid, getgid, getegid } = process
  if (getuid === undefined || geteuid === undefined || getgid === undefined || getegid === undefined) return false
  if (getuid() === 0 && geteuid() === 0) return false
  return getuid() !== geteuid() || getgid() !== getegid()
}

/**
 * Refuses a configuration directory that the default configuration does not name.
 *
 * @param standard The default configuration.
 * @throws {CommandExit}
 */
export function authorizeDirectory(program: string, directory: string, standard: Config, exitCode = 1): void {
  if (directory === standard.directory) return
  const names = [...standard.list('alternate_config_directories'), ...standard.list('multi_instance_directories')]
  if (names.includes(directory)) return
  const file = `${standard.directory}/main.cf`
  throw new CommandExit(
    `${program}: error: unauthorized configuration directory name: ${directory}\n`
      + `${program}: fatal: specify "alternate_config_directories = ${directory}" or `
      + `"multi_instance_directories = ${directory}" in ${file}`,
    exitCode,
  )
}

/**
 * Reads the configuration that `-c` or MAIL_CONFIG names, if the caller may choose it; standard error gets the
 * warnings about it. What is wrong with it and concerns every program ends this one.
 *
 * @throws {CommandExit} It may not be used, cannot be read, or has such mistakes.
 */
export function loadTrustedConfig(program: string, directory: string | undefined, exitCode = 1): Config {
  try {
    const wanted = configDirectory(directory)
    if (hasExtraRights() && wanted !== DEFAULT_CONFIG_DIRECTORY) {
      authorizeDirectory(program, wanted, loadConfig(DEFAULT_CONFIG_DIRECTORY), exitCode)
    }
    const config = loadConfig(wanted, (text) => warn(program, text))
    checkBasics(config)
    logDestination(config)
    return config
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof LogConfigError)) throw error
    return configFailure(program, error, exitCode)
  }
}

/** Ends a command whose configuration is wrong. @throws {CommandExit} */
function configFailure(program: string, error: ConfigError | LogConfigError, exitCode: number): never {
  if (error instanceof ConfigError) for (const text of error.warnings) warn(program, text)
  return fatal(program, error.message, exitCode)
}

/** Takes everything out of the environment but what import_environment lets in. */
export function cleanEnvironment(config: Config): void {
  const kept = filterEnvironment(config.str('import_environment'), process.env)
  for (const name of Object.keys(process.env)) {
    if (!Object.hasOwn(kept, name)) delete process.env[name]
  }
  Object.assign(process.env, kept)
}
