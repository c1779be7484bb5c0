/**
 * The parameters of cleanup as its line in master.cf has them. Cleanup is no process
 * here, but its `-o` still count, for whoever names that service.
 *
 * @module
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { parseMasterCf } from '#config/master-cf.ts'

/**
 * The configuration for `openCleanup()`. Read it before the process gives up its rights.
 *
 * @param common main.cf, without the `-o` of the program that asks.
 * @param service The program's own `cleanup_service_name`.
 */
export function cleanupConfig(common: Config, service: string = common.str('cleanup_service_name')): Config {
  const file = join(common.directory, 'master.cf')
  const named = common.withOverrides(new Map([['process_name', 'cleanup'], ['service_name', service]]))
  if (!existsSync(file)) return named
  const entry = parseMasterCf(readFileSync(file, 'utf8'), file).find(({ name, type }) => name === service && type === 'unix')
  return entry === undefined ? named : named.withOverrides(entry.overrides)
}
