/**
 * Asking tables from the command line: one key, keys from standard input, or
 * everything.
 *
 * Source: postmap(1), postalias(1), -q and -s.
 */
import { log } from '#system/log.ts'
import { encodeRaw } from '#util/raw-text.ts'
import { openTable } from '#tables/open.ts'
import { DamagedStore } from '#tables/store/store.ts'
import { storeFormat } from '#tables/store/formats.ts'
import { TableOpenError, type Lookup, type Table } from '#tables/table.ts'
import { linesOf } from './lines.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** How one entry is printed: postmap `key<TAB>value`, postalias `key:<TAB>value`. */
export type EntryStyle = { readonly afterKey: string }

/** A table with the name that messages give it. */
export type NamedTable = { readonly table: Table; readonly title: string }

/** Opens a table to read. @throws {CommandExit} It cannot be opened. */
export function openForQuery({ spec, type }: MapName, settings: MapSettings): NamedTable {
  const { program, config, fold, fileContent, trailingNul } = settings
  try {
    const options = { config, fold, fileContent, strict: true, ...(trailingNul === undefined ? {} : { trailingNul }) }
    // Databases whose file name is not the table's name are called by that of the file.
    const suffix = type === 'lmdb' ? '' : (storeFormat(type)?.suffixes[0] ?? '')
    return { table: openTable(spec, options), title: spec + suffix }
  } catch (error) {
    if (error instanceof TableOpenError) return die(program, error.message)
    throw error
  }
}

/** @throws {CommandExit} The table refuses. */
async function answerOf(table: Table, key: string, program: string): Promise<Lookup> {
  try {
    return await table.lookup(key)
  } catch (error) {
    if (error instanceof TableOpenError) return die(program, error.message)
    throw error
  }
}

/** The value of a key, or `undefined`. @throws {CommandExit} The table fails. */
export async function findKey({ table, title }: NamedTable, key: string, { program }: MapSettings): Promise<string | undefined> {
  const result = await answerOf(table, key, program)
  if (result.kind === 'absent') return undefined
  if (result.kind === 'error') {
    const detail = table.name.startsWith('fail:') || result.reason === 'Application error' ? `: ${result.reason}` : ''
    return die(program, `table ${title}: query error${detail}`)
  }
  if (result.value === '') {
    log.warning(`table ${title}: key ${key}: empty string result is not allowed`)
    log.warning(`table ${title} should return NO RESULT in case of NOT FOUND`)
  }
  return result.value
}

/** Prints text whose bytes may be of any kind. */
export function print({ console }: MapSettings, line: string): void {
  console.out(encodeRaw(`${line}\n`))
}

/** One entry in the style of the program, or as JSON. */
export function printEntry(settings: MapSettings, style: EntryStyle, key: string, value: string): void {
  const json = `{${JSON.stringify(key)}: ${JSON.stringify(value)}}`
  print(settings, settings.json ? json : `${key}${style.afterKey}${value}`)
}

/** `-q key`: the value from the first table that has it. Exit status 0 when there is one. */
export async function queryKey(names: readonly MapName[], key: string, settings: MapSettings): Promise<number> {
  for (const name of names) {
    const named = openForQuery(name, settings)
    const value = await findKey(named, key, settings)
    named.table.close()
    if (value === undefined) continue
    print(settings, settings.json ? `{${JSON.stringify(key)}: ${JSON.stringify(value)}}` : value)
    return 0
  }
  return 1
}

/** Asks all tables for `key`; prints the first answer. */
export async function printFirst(tables: readonly NamedTable[], key: string, settings: MapSettings,
  style: EntryStyle): Promise<boolean> {
  for (const named of tables) {
    const value = await findKey(named, key, settings)
    if (value === undefined) continue
    printEntry(settings, style, key, value)
    return true
  }
  return false
}

/** `-q -`: a key on each line of `input`. Exit status 0 when one is found. */
export async function queryLines(names: readonly MapName[], input: AsyncIterable<Uint8Array | string>,
  settings: MapSettings, style: EntryStyle): Promise<number> {
  const tables = names.map((name) => openForQuery(name, settings))
  let found = false
  for await (const key of linesOf(input)) {
    if (await printFirst(tables, key, settings, style)) found = true
  }
  for (const { table } of tables) table.close()
  return found ? 0 : 1
}

/** `-s`: every entry of the first table. */
export async function listEntries(names: readonly MapName[], settings: MapSettings, style: EntryStyle): Promise<number> {
  const [name] = names
  if (name === undefined) return 1
  const { table, title } = openForQuery(name, { ...settings, fileContent: false })
  if (name.type === 'memcache' && table.entries === undefined) {
    log.warning(`database ${name.spec}: first/next support requires backup database`)
    return 0
  }
  if (name.type === 'fail') return die(settings.program, `table ${title}: sequence error: Application error`)
  if (table.entries === undefined || !isWalkable(name.type)) {
    return die(settings.program, `table ${title}: sequence operation is not supported`)
  }
  try {
    for await (const [key, value] of table.entries()) printEntry(settings, style, key, value)
  } catch (error) {
    if (error instanceof TableOpenError) return die(settings.program, error.message)
    if (error instanceof DamagedStore) return die(settings.program, `table ${title}: sequence error: ${error.message}`)
    throw error
  }
  return 0
}

function isWalkable(type: string): boolean {
  return storeFormat(type) !== undefined || ['texthash', 'inline', 'internal', 'proxy', 'debug'].includes(type) || type === 'memcache'
}
