/** The text of main.cf: it is read, or refused with a ConfigError; what postconf says of it needs no more. */
import { strayComments } from '#commands/postconf/stray-comments.ts'
import { databasesIn, settingNames } from '#commands/postconf/databases.ts'
import { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { parseMainCf, splitNameValue } from '#config/main-cf.ts'
import { isParameterName } from '#config/parameters/table.ts'

/** Takes `bytes` for main.cf, and uses every value of it in each of the ways that a value may be used. */
export function target(bytes: Uint8Array): void {
  tolerate(() => readMain(new TextDecoder().decode(bytes)))
}

function readMain(text: string): void {
  const { values, entries } = parseMainCf(text, 'main.cf')
  for (const { name, value } of entries) {
    // What postconf -e writes is read as the same pair.
    const again = splitNameValue(`${name} = ${value}`)
    if (!('name' in again) || again.name !== name || again.value !== value) throw new Error(`"${name} = ${value}" is read as another pair`)
  }
  const config = new Config({ directory: '/etc/postfix', values })
  for (const [name, value] of values) {
    strayComments(value)
    databasesIn(value).forEach(settingNames)
    tolerate(() => config.expand(value))
    if (!isParameterName(name)) continue
    tolerate(() => config.list(name))
    tolerate(() => config.check(name))
  }
}

function tolerate(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
}
