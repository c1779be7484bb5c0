/**
 * The name a command was called by, as some do something else under another name.
 *
 * @module
 */
import { basename } from 'node:path'

/** Set by the executables of `dist/bin`; Node.js itself only sees its own name and the file of the bundle. */
const VARIABLE = 'POSTHORN_ARGV0'

/**
 * The name without directories. What this process starts does not inherit it.
 *
 * @param standard The name when nothing says another, as when the source is run.
 */
export function calledAs(standard: string): string {
  const name = basename(process.env[VARIABLE] ?? '')
  delete process.env[VARIABLE]
  return name === '' ? standard : name
}
