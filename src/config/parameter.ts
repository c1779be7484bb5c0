/**
 * What the table says about one parameter: kind, default, bounds.
 *
 * The kinds are Postfix's: `str` expands `$name`, `raw` does not; `nint` and `nbool` are
 * numbers and yes/no whose default may be an expression; `time` is seconds with a unit.
 *
 * Source: postconf(5); `postconf -d` of Postfix 3.11.7.
 *
 * @module
 */

/** How a value is read. */
export type ParameterKind = 'str' | 'raw' | 'int' | 'nint' | 'long' | 'bool' | 'nbool' | 'time'

/** Where a parameter comes from: `builtin` is Postfix's, `extension` is ours. */
export type ParameterClass = 'builtin' | 'extension'

/**
 * One parameter. `initial` is the default as `postconf -d` prints it, `$name` and all. `min` and `max` bound
 * the number, or the length of the text; 0 means no bound.
 */
export type Parameter<K extends ParameterKind = ParameterKind> = {
  readonly kind: K
  readonly initial: string
  readonly min: number
  readonly max: number
  readonly class: ParameterClass
}

/** Inclusive bounds; 0 as `max` means none. */
export type Bounds = { readonly min?: number; readonly max?: number }

/** Text whose `$name` is expanded. */
export const str = (initial: string, bounds: Bounds = {}): Parameter<'str'> => define('str', initial, bounds)

/** Text that its reader expands with other names, or not at all. */
export const raw = (initial: string, bounds: Bounds = {}): Parameter<'raw'> => define('raw', initial, bounds)

/** Whole number with a literal default. */
export const int = (initial: number, bounds: Bounds = {}): Parameter<'int'> => define('int', String(initial), bounds)

/** Whole number whose default may be an expression. */
export const nint = (initial: string, bounds: Bounds = {}): Parameter<'nint'> => define('nint', initial, bounds)

/** Whole number beyond 32 bits, such as a size in bytes. */
export const long = (initial: number, bounds: Bounds = {}): Parameter<'long'> => define('long', String(initial), bounds)

/** Yes or no. */
export const bool = (initial: 'yes' | 'no'): Parameter<'bool'> => define('bool', initial, {})

/** Yes or no whose default may be an expression. */
export const nbool = (initial: string): Parameter<'nbool'> => define('nbool', initial, {})

/** Time in seconds; the unit of the default (its last letter) counts for values without one. */
export const time = (initial: string, bounds: Bounds = {}): Parameter<'time'> => define('time', initial, bounds)

/** The same parameter as one of ours. */
export function extension<K extends ParameterKind>(parameter: Parameter<K>): Parameter<K> {
  return { ...parameter, class: 'extension' }
}

function define<K extends ParameterKind>(kind: K, initial: string, { min = 0, max = 0 }: Bounds): Parameter<K> {
  return { kind, initial, min, max, class: 'builtin' }
}
