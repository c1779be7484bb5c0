/** The languages of configuration files: any text is read, or refused with a ConfigError; nothing else happens. */
import { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { parseMainCf } from '#config/main-cf.ts'
import { parseMasterCf } from '#config/master-cf.ts'
import { isParameterName } from '#config/parameters/table.ts'

/** Takes `bytes` for main.cf, expands every value of it, and for master.cf. */
export function target(bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes)
  tolerate(() => readMain(text))
  tolerate(() => parseMasterCf(text, 'master.cf'))
}

function readMain(text: string): void {
  const { values } = parseMainCf(text, 'main.cf')
  const config = new Config({ directory: '/etc/postfix', values })
  for (const [name, value] of values) {
    tolerate(() => config.expand(value))
    if (isParameterName(name)) tolerate(() => config.list(name))
  }
}

function tolerate(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
}
