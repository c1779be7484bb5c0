/**
 * The source file of a table: its text, and what its owner and mode mean for the database.
 *
 * Source: postmap(1), postalias(1), -o and -p.
 */
import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { decodeRaw } from '#util/raw-text.ts'
import type { FileTraits } from '#tables/store/store-file.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** A source file that was read. */
export type MapSource = { readonly text: string; readonly traits: FileTraits }

/** Reads the source of a table. @throws {CommandExit} It cannot be read. */
export function readSource({ type, name: path }: MapName, program: string): MapSource {
  if (type === 'proxy') return die(program, "can't create maps via the proxy service")
  let fd: number | undefined
  try {
    fd = openSync(path, 'r')
    return { text: decodeRaw(readFileSync(fd)), traits: fstatSync(fd) }
  } catch (error) {
    return die(program, `open ${path}: ${errnoText(error)}`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

/** Owner and mode of the source of a table that is changed without it; `undefined` when there is none. */
export function sourceTraits({ name }: MapName): FileTraits | undefined {
  return statSync(name, { throwIfNoEntry: false })
}

/** Warns about a database that root makes in the folder of somebody else, who could replace it by a link. */
export function warnAboutOwner({ name }: MapName, { uid }: FileTraits, { asOwner }: MapSettings): void {
  if (process.geteuid?.() !== 0 || !asOwner || uid !== 0) return
  const directory = dirname(name)
  let owner: number
  try {
    owner = statSync(directory).uid
  } catch {
    return
  }
  if (owner === 0) return
  log.warning(
    `Creating root-owned database file(s) ${name}.* in non-root-owned directory ${directory}. ` +
      `Files ${name}, ${name}.*, and directory ${directory} should have the same owner. ` +
      'Please fix ownership to avoid a privilege-escalation attack.',
  )
}
