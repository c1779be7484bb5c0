/**
 * What one run of postconf reads and knows: main.cf, master.cf, the names that count, and the values of names.
 *
 * @module
 */
import { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { expandText } from '#config/expand.ts'
import { ExpressionError } from '#config/expression.ts'
import { readConfigFile } from '#config/file.ts'
import { DEFAULT_CONFIG_DIRECTORY, readMainCf } from '#config/load.ts'
import { readMasterCf } from '#config/master-cf.ts'
import { isParameterName } from '#config/parameters/table.ts'
import { DEPRECATION_PAGE, deprecationAdvice } from './deprecated.ts'
import { namesOfServices, registerOldNames, registerUserNames, type KnownName } from './names.ts'
import { readService, settingsOf, type Service } from './service.ts'

/** How a session starts. */
export type SessionOptions = {
  readonly directory: string
  /** Whether `-c` or MAIL_CONFIG named the directory: only then does `-n` show it. */
  readonly directoryGiven: boolean
  /** The `-o name=value`. */
  readonly overrides: ReadonlyMap<string, string>
  /** Show defaults: what main.cf sets does not count. */
  readonly defaults: boolean
  /** Whether a missing master.cf ends the run. */
  readonly needsMaster: boolean
  /** No warnings about unused and deprecated names. */
  readonly quiet: boolean
  readonly warn: (text: string) => void
}

/** Names that a process sets for itself. */
export const READ_ONLY_NAMES: readonly string[] = ['process_id', 'process_name']

/** A service, with the names that count only there. */
export type ScopedService = {
  readonly service: Service
  readonly settings: ReadonlyMap<string, string>
  readonly valid: ReadonlySet<string>
}

/** See the head of this file. */
export class Session {
  readonly main: ReadonlyMap<string, string>
  readonly services: readonly ScopedService[]
  readonly names: ReadonlyMap<string, KnownName>
  readonly #options: SessionOptions
  readonly #config: Config
  #deprecated = false

  /** @throws {ConfigError} A file that cannot be read, or has a line that cannot be. */
  constructor(options: SessionOptions) {
    this.#options = options
    // Errors show in Postfix's order: those of the file asked for come first.
    const early = options.needsMaster ? this.#readServices() : undefined
    this.main = this.#readMain()
    this.#config = new Config({
      directory: options.defaults ? DEFAULT_CONFIG_DIRECTORY : options.directory,
      values: options.defaults ? new Map() : this.main,
    })
    const services = early ?? this.#readServices()
    const names = namesOfServices(services)
    this.names = names
    const { directory, warn } = options
    const expand = (text: string, scope?: ReadonlyMap<string, string>) => this.expandText(text, scope)
    const sources = { directory, main: this.main, services, expand, quiet: options.quiet, warn }
    registerOldNames(names, sources)
    const valid = options.defaults ? [] : registerUserNames(names, sources)
    this.services = services.map((service, i) => {
      return { service, settings: settingsOf(service), valid: valid[i] ?? new Set() }
    })
    if (options.defaults) return
    // The default of mynetworks is made in any case, which fails where the level is none.
    if (!this.main.has('mynetworks')) this.expandText('$mynetworks_style')
    for (const { settings } of this.services) this.#warnReadOnly('master.cf', settings)
  }

  /** Names that count, in the order of their bytes. */
  sortedNames(): string[] {
    return [...this.names.keys()].toSorted(byBytes)
  }

  /** Names shown without being asked for: parameters of ours only where main.cf sets them. */
  shownNames(): string[] {
    const isShown = (name: string) => this.names.get(name)?.classes.some((one) => one !== 'extension' && one !== 'pending') === true
    return this.sortedNames().filter((name) => this.main.has(name) || isShown(name))
  }

  /** Names that Postfix has too, and what main.cf sets. */
  postfixNames(): string[] {
    const isOwn = (name: string) => this.names.get(name)?.classes.includes('extension') === true
    return this.sortedNames().filter((name) => this.main.has(name) || !isOwn(name))
  }

  /** The value of a name: what main.cf has, else the default; `undefined` for a name without either. */
  value(name: string): string | undefined {
    return (this.#options.defaults ? undefined : this.main.get(name)) ?? this.initial(name)
  }

  /** The default of a name. */
  initial(name: string): string | undefined {
    if (name === 'process_name') return 'postconf'
    if (name === 'process_id') return String(process.pid)
    const initial = this.names.get(name)?.initial
    return isParameterName(name) && !this.main.has(name) || this.#options.defaults && isParameterName(name)
      ? this.#config.raw(name)
      : initial
  }

  /** Expands the value of `name`; a raw parameter stays as it is. @throws {ConfigError} */
  expand(name: string, value: string): string {
    return this.names.get(name)?.raw === true ? value : this.expandText(value)
  }

  /** Expands any text, with the names of `scope` before all others. @throws {ConfigError} */
  expandText(text: string, scope: ReadonlyMap<string, string> = new Map()): string {
    try {
      return expandText(text, (name) => scope.get(name) ?? this.value(name), { recursive: true })
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      for (const warning of error.warnings) this.#options.warn(warning)
      throw new ConfigError('macro processing error')
    }
  }

  /** Warns of names that main.cf sets and nothing uses. */
  warnUnusedMain(): void {
    for (const [name, value] of sortedEntries(this.main)) {
      this.#warnUnused('main.cf', name, value, this.names.has(name))
    }
  }

  /** Warns of names that a service sets and nothing uses. */
  warnUnusedMaster(): void {
    for (const { settings, valid } of this.services) {
      for (const [name, value] of sortedEntries(settings)) {
        if (READ_ONLY_NAMES.includes(name)) continue
        this.#warnUnused('master.cf', name, value, this.names.has(name) || valid.has(name))
      }
    }
  }

  /** After all warnings: where to read about deprecated names, if there were any. */
  warnEnd(): void {
    if (this.#deprecated) this.#options.warn(DEPRECATION_PAGE)
  }

  #warnUnused(file: string, name: string, value: string, used: boolean): void {
    const { quiet, directory, warn } = this.#options
    const advice = deprecationAdvice(name)
    if (quiet || (used && advice === undefined)) return
    if (advice === undefined) {
      warn(`${directory}/${file}: unused parameter: ${name}=${value}`)
    } else {
      this.#deprecated = true
      warn(`${directory}/${file}: support for parameter "${name}" will be removed; instead, ${advice}`)
    }
  }

  #readMain(): Map<string, string> {
    const { directory, directoryGiven, overrides, defaults, warn } = this.#options
    if (defaults) return new Map()
    const { values, entries, warnings } = readMainCf(directory)
    const moved = entries.find(({ name }) => name === 'config_directory')
    if (moved !== undefined) {
      warn(`${directory}/main.cf, line ${moved.line}: overriding earlier entry: config_directory=${directory}`)
    }
    for (const text of warnings) warn(text)
    const main = new Map(directoryGiven ? [['config_directory', directory]] : [])
    for (const [name, value] of [...values, ...overrides]) main.set(name, value)
    this.#warnReadOnly('main.cf', main)
    for (const name of READ_ONLY_NAMES) main.delete(name)
    return main
  }

  #warnReadOnly(file: string, values: ReadonlyMap<string, string>): void {
    const { directory, warn } = this.#options
    for (const name of READ_ONLY_NAMES.filter((readOnly) => values.has(readOnly))) {
      warn(`${directory}/${file}: read-only parameter assignment: ${name}=${values.get(name)}`)
    }
  }

  #readServices(): Service[] {
    const { directory, needsMaster, warn } = this.#options
    const file = `${directory}/master.cf`
    let text: string
    try {
      text = readConfigFile(file)
    } catch (error) {
      if (needsMaster || !(error instanceof ConfigError)) throw error
      warn(error.message)
      return []
    }
    return readMasterCf(text, file, warn).map((line) => readService(line, file, warn))
  }
}

/** Order of strcmp(3). */
export function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function sortedEntries(values: ReadonlyMap<string, string>): [string, string][] {
  return [...values].toSorted(([a], [b]) => byBytes(a, b))
}
