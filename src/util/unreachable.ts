/** The end of a closed union: a branch that the types rule out. */

/**
 * Marks a branch that no value can reach.
 *
 * @throws {TypeError} When a value reaches it all the same: a broken interface.
 */
export function unreachable(value: never): never {
  throw new TypeError(`Cannot handle ${JSON.stringify(value)} as no case covers it`)
}
