/**
 * A configuration: the values of main.cf and a service's `-o` over the defaults of the table.
 *
 * A value is looked up and expanded at first use and then kept. What is wrong with a value
 * shows when it is used, as a ConfigError in Postfix's words.
 *
 * Source: postconf(5).
 *
 * @module
 */
import { basename } from 'node:path'
import { splitOutsideBraces } from '#util/split.ts'
import { ConfigError } from './error.ts'
import { readConfigFile } from './file.ts'
import { ExpressionError } from './expression.ts'
import { expandText } from './expand.ts'
import { defaultDomain, defaultHostName, defaultNetworks, thisMachine, type Machine } from './machine.ts'
import {
  findParameter, PARAMETERS, type BoolName, type IntName, type ParameterName, type TimeName,
} from './parameters/table.ts'
import { checkLength, defaultTimeUnit, parseBoolean, parseInteger, parseTime } from './value.ts'

/** Names to values, unexpanded. */
export type Values = ReadonlyMap<string, string>

/** What a configuration is made of. */
export type ConfigSource = {
  /** Where main.cf is: the value of config_directory. */
  readonly directory: string
  /** Definitions of main.cf. */
  readonly values: Values
  /** The `-o` of a service; they count before main.cf. */
  readonly overrides?: Values
  readonly machine?: Machine
}

const NONE: Values = new Map()

/** The parameters as one program sees them. */
export class Config {
  readonly directory: string
  readonly #values: Values
  readonly #overrides: Values
  readonly #machine: Machine
  readonly #texts = new Map<string, string>()
  readonly #numbers = new Map<string, number>()

  constructor({ directory, values, overrides = NONE, machine = thisMachine }: ConfigSource) {
    this.directory = directory
    this.#values = values
    this.#overrides = overrides
    this.#machine = machine
  }

  /** The text of a parameter, expanded. @throws {ConfigError} */
  str(name: ParameterName): string {
    return this.#text(name)
  }

  /** The text of a parameter as main.cf or the table has it, `$name` and all. */
  raw(name: ParameterName): string {
    return this.#raw(name) ?? ''
  }

  /** A whole number. @throws {ConfigError} */
  int(name: IntName): number {
    return this.#number(name, () => {
      const parameter = PARAMETERS[name]
      return parseInteger(name, this.#text(name), parameter.kind === 'long' ? 'long' : 'int', parameter)
    })
  }

  /** Yes or no. @throws {ConfigError} */
  bool(name: BoolName): boolean {
    return this.#number(name, () => Number(parseBoolean(name, this.#text(name)))) === 1
  }

  /** A time, in seconds. @throws {ConfigError} */
  time(name: TimeName): number {
    return this.#number(name, () => {
      const parameter = PARAMETERS[name]
      return parseTime(name, this.#text(name), defaultTimeUnit(parameter.initial), parameter)
    })
  }

  /** Reads a parameter as what the table says it is, for its mistakes. @throws {ConfigError} */
  check(name: ParameterName): void {
    const parameter = PARAMETERS[name]
    const text = this.#text(name)
    switch (parameter.kind) {
      case 'int':
      case 'nint':
      case 'long':
        return void parseInteger(name, text, parameter.kind === 'long' ? 'long' : 'int', parameter)
      case 'bool':
      case 'nbool':
        return void parseBoolean(name, text)
      case 'time':
        return void parseTime(name, text, defaultTimeUnit(parameter.initial), parameter)
      default:
        // #text() has looked at the length.
    }
  }

  /** The items of a list: words between commas and white space; `{ … }` stays one word, braces and all. */
  list(name: ParameterName): string[] {
    return splitOutsideBraces(this.#text(name))
  }

  /** Whether main.cf or a `-o` defines `name`. */
  isSet(name: string): boolean {
    return this.#overrides.has(name) || this.#values.has(name)
  }

  /** Names that main.cf or a `-o` defines. */
  names(): string[] {
    return [...new Set([...this.#values.keys(), ...this.#overrides.keys()])]
  }

  /**
   * The text of a parameter whose name is made at run time, such as `smtp_destination_rate_delay`, expanded.
   *
   * @param fallback The parameter that counts where `name` is not set.
   */
  dynamic(name: string, fallback: ParameterName): string {
    return this.isSet(name) || findParameter(name) !== undefined ? this.#text(name) : this.#text(fallback)
  }

  /** Like dynamic(), a whole number within the bounds of `fallback`. */
  dynamicInt(name: string, fallback: IntName): number {
    return this.#number(`${name} or ${fallback}`, () => {
      const { kind, min, max } = findParameter(name) ?? PARAMETERS[fallback]
      return parseInteger(name, this.dynamic(name, fallback), kind === 'long' ? 'long' : 'int', { min, max })
    })
  }

  /** Like dynamic(), a time in seconds within the bounds of `fallback`. */
  dynamicTime(name: string, fallback: TimeName): number {
    return this.#number(`${name} or ${fallback}`, () => {
      const parameter = findParameter(name) ?? PARAMETERS[fallback]
      return parseTime(name, this.dynamic(name, fallback), defaultTimeUnit(parameter.initial), parameter)
    })
  }

  /** The same configuration, with more `-o name=value`; later ones count before earlier ones. */
  withOverrides(overrides: Values): Config {
    return new Config({
      directory: this.directory,
      values: this.#values,
      overrides: new Map([...this.#overrides, ...overrides]),
      machine: this.#machine,
    })
  }

  /**
   * Expands `$name` in any text.
   *
   * @param extra Names that count before the parameters.
   * @throws {ConfigError}
   */
  expand(text: string, extra: Readonly<Record<string, string>> = {}): string {
    if (!text.includes('$')) return text
    try {
      const lookup = (name: string) => (Object.hasOwn(extra, name) ? extra[name] : this.#resolved(name))
      return expandText(text, lookup, { recursive: true })
    } catch (error) {
      if (!(error instanceof ExpressionError)) throw error
      throw new ConfigError('dictionary mail_dict: macro processing error', [error.message])
    }
  }

  #text(name: string): string {
    const known = this.#texts.get(name)
    if (known !== undefined) return known
    const parameter = findParameter(name)
    const value = this.#resolved(name) ?? ''
    const text = parameter?.kind === 'raw' ? value : this.expand(value)
    if (parameter?.kind === 'raw' || parameter?.kind === 'str') checkLength(name, text, parameter)
    this.#texts.set(name, text)
    return text
  }

  #number(key: string, read: () => number): number {
    let number = this.#numbers.get(key)
    if (number === undefined) {
      number = read()
      this.#numbers.set(key, number)
    }
    return number
  }

  #raw(name: string): string | undefined {
    return this.#overrides.get(name) ?? this.#values.get(name) ?? this.#computed(name) ?? findParameter(name)?.initial
  }

  /** Like #raw(), but `myorigin = /etc/mailname` stands for the first line of that file, as in Debian's Postfix. */
  #resolved(name: string): string | undefined {
    const value = this.#raw(name)
    if (name !== 'myorigin' || value?.startsWith('/') !== true) return value
    return readConfigFile(value).split('\n', 1)[0]?.trim() ?? ''
  }

  /** Defaults that no table can hold. */
  #computed(name: string): string | undefined {
    switch (name) {
      case 'config_directory':
        return this.directory
      case 'process_id':
        return String(process.pid)
      case 'process_name':
        return basename(process.argv[1] ?? process.argv0, '.ts')
      case 'myhostname':
        return defaultHostName(this.#machine, this.isSet('mydomain') ? this.#text('mydomain') : undefined)
      case 'mydomain':
        return defaultDomain(this.#text('myhostname'))
      case 'mynetworks':
        return defaultNetworks(this.#machine, {
          style: this.#text('mynetworks_style'),
          interfaces: this.#text('inet_interfaces'),
          protocols: this.#text('inet_protocols'),
        })
      default:
        return undefined
    }
  }
}
