/**
 * The name a command was called by, as some do something else under another name, and some show it in their messages.
 *
 * @module
 */
import { basename } from 'node:path'

/** Set by the executables of `dist/bin`; Node.js itself only sees its own name and the file of the bundle. */
const VARIABLE = 'POSTHORN_ARGV0'

/** What this process starts does not inherit it. */
const typed = process.env[VARIABLE] ?? ''
delete process.env[VARIABLE]

/**
 * The name without directories.
 *
 * @param standard The name when nothing says another, as when the source is run.
 */
export function calledAs(standard: string): string {
  const name = basename(typed)
  return name === '' ? standard : name
}

/**
 * The name as it was typed, directories and all: postconf, postcat and postlock put it before their messages, where
 * the others put the bare name.
 */
export function typedAs(standard: string): string {
  return typed === '' ? standard : typed
}
