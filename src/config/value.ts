/**
 * Values of parameters as numbers, times and booleans, with Postfix's words for those that are none.
 *
 * Source: postconf(5), "time units"; texts of Postfix 3.11's configuration errors.
 *
 * @module
 */
import { ConfigError } from './error.ts'
import type { Parameter } from './parameter.ts'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const INT_MAX = 2_147_483_647

/** Smallest and largest value; 0 means no bound, so that a `min` of 0 lets negative numbers pass, as in Postfix. */
type Limits = Pick<Parameter, 'min' | 'max'>

/** A whole number; one beyond 2^53 loses its last digits, which no limit needs. @throws {ConfigError} Not a number, or out of bounds. */
export function parseInteger(name: string, text: string, kind: 'int' | 'long', limits: Limits): number {
  const isNumber = /^\s*[+-]?\d+$/.test(text)
  const bits = kind === 'int' ? 32 : 64
  if (!isNumber || BigInt.asIntN(bits, bigInt(text)) !== bigInt(text)) {
    throw new ConfigError(`bad numerical configuration: ${name} = ${text}`)
  }
  return withinLimits(name, Number(text), limits)
}

function bigInt(text: string): bigint {
  return BigInt(text.replace('+', ''))
}

/** Yes or no, in any case. @throws {ConfigError} Neither. */
export function parseBoolean(name: string, text: string): boolean {
  const word = text.toLowerCase()
  if (word !== 'yes' && word !== 'no') throw new ConfigError(`bad boolean configuration: ${name} = ${text}`)
  return word === 'yes'
}

/**
 * A time in seconds. Digits without a unit count in `defaultUnit`.
 *
 * @throws {ConfigError} Not a time, or out of bounds.
 */
export function parseTime(name: string, text: string, defaultUnit: string, limits: Limits): number {
  const seconds = timeInSeconds(text, defaultUnit)
  if (seconds === undefined) throw new ConfigError(`parameter ${name}: bad time value or unit: ${text}`)
  const { min, max } = limits
  if (min !== 0 && seconds < min) throw new ConfigError(`invalid ${name}: ${seconds} (min ${min})`)
  if (max > 0 && seconds > max) throw new ConfigError(`invalid ${name}: ${seconds} (max ${max})`)
  return seconds
}

/**
 * `30`, `5m`, `2d` in seconds; `undefined` when it is no time or too long. Digits alone count in `defaultUnit`. As in
 * Postfix, what follows a unit is not looked at (`1h30m` is an hour), and a unit without digits is 0.
 */
export function timeInSeconds(text: string, defaultUnit: string): number | undefined {
  const [, alone, digits, unit] = /^\s*\+?(?:(\d+)$|(\d*)([smhdw]))/.exec(text) ?? []
  const seconds = Number(alone ?? digits) * (SECONDS[unit ?? defaultUnit] ?? Number.NaN)
  return seconds <= INT_MAX ? seconds : undefined
}

/** The unit for values without one: the last letter of the default, such as `${stress?{10}:{300}}s`. */
export function defaultTimeUnit(initial: string): string {
  const unit = initial.at(-1) ?? ''
  // A default that is another parameter has its unit there; Postfix's own such defaults all count in seconds.
  return SECONDS[unit] === undefined || /\$\w+$/.test(initial) ? 's' : unit
}

/** Text of a length in bytes within bounds. @throws {ConfigError} Too short or too long. */
export function checkLength(name: string, text: string, { min, max }: Limits): string {
  if (min === 0 && max === 0) return text
  const length = Buffer.byteLength(text)
  if (length < min) throw new ConfigError(`bad string length ${length} < ${min}: ${name} = ${text}`)
  if (max > 0 && length > max) throw new ConfigError(`bad string length ${length} > ${max}: ${name} = ${text}`)
  return text
}

function withinLimits(name: string, number: number, { min, max }: Limits): number {
  if (min !== 0 && number < min) throw new ConfigError(`invalid ${name} parameter value ${number} < ${min}`)
  if (max > 0 && number > max) throw new ConfigError(`invalid ${name} parameter value ${number} > ${max}`)
  return number
}
