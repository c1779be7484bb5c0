/**
 * Checks for what comes from a socket: a message is `unknown` until its shape
 * has been seen.
 *
 * @module
 */

/**
 * What a member must be: of a kind, an object of a shape, or an array whose
 * members are all of one shape (`[shape]`).
 */
export type Shape = 'string' | 'number' | 'boolean' | 'array' | 'anything' | { readonly [name: string]: Shape } | readonly [Shape]

/** Tells whether `value` has this shape. Members that the shape does not name may be there. */
export function hasShape(value: unknown, shape: Shape): boolean {
  if (shape === 'anything') return true
  if (shape === 'array') return Array.isArray(value)
  if (typeof shape === 'string') return typeof value === shape
  if (isList(shape)) return Array.isArray(value) && value.every((each) => hasShape(each, shape[0]))
  return isRecord(value) && Object.entries(shape).every(([name, member]) => hasShape(value[name], member))
}

function isList(shape: Shape): shape is readonly [Shape] {
  return Array.isArray(shape)
}

/** Tells whether `value` is an object with named members. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
