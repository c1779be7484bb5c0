/**
 * hash, btree, lmdb, cdb and sdbm: indexed files made by postmap or postalias, ours or Postfix's.
 *
 * The file is read into memory under a shared lock, so that a rebuild in place
 * is never seen half done. A key is stored with a NUL behind it or without: both
 * are tried until one is found, and then only that form.
 *
 * Source: DATABASE_README; postmap(1), -n and -N.
 */
import { closeSync, readFileSync, statSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { decodeFileContent } from './file-content.ts'
import { openFileTable } from './file-table.ts'
import { keyFolder } from './fold.ts'
import { storeFormat } from './store/formats.ts'
import { keyBytes } from './store/key-bytes.ts'
import { openLocked } from './store/store-file.ts'
import { DamagedStore, type StoreFormat, type StoreReader } from './store/store.ts'
import { ABSENT, failed, found, TableOpenError, type Lookup, type OpenRequest, type Table } from './table.ts'

/** Edits this fresh may still be followed by postmap: no warning yet. */
const SOURCE_GRACE_MS = 100_000

/** An open store and what is known about its trailing NULs. */
type IndexedFile = { readonly store: StoreReader; nul: boolean | undefined }

/**
 * The content of a table's files, read under their lock.
 *
 * @throws {TableOpenError} In Postfix's words: `open database /etc/x.db: No such file or directory`.
 */
function readStoreFiles(name: string, { suffixes, lock }: StoreFormat): Buffer[] {
  const last = suffixes.length - 1
  const path = name + suffixes[0]
  let fd: number | undefined
  try {
    const locked = openLocked(name + (suffixes[last] ?? ''), lock, 'shared')
    if (locked === undefined) throw new TableOpenError(`open database ${path}: No such file or directory`)
    fd = locked
    return suffixes.map((suffix, i) => readFileSync(i === last ? locked : name + suffix))
  } catch (error) {
    if (error instanceof TableOpenError) throw error
    throw new TableOpenError(`open database ${path}: ${errnoText(error)}`)
  } finally {
    if (fd !== undefined) closeSync(fd)
  }
}

function warnIfOlder(path: string, source: string): void {
  try {
    const changed = statSync(source).mtimeMs
    if (changed > statSync(path).mtimeMs && changed < Date.now() - SOURCE_GRACE_MS) {
      log.warning(`database ${path} is older than source file ${source}`)
    }
  } catch {
    // No source file: the database stands by itself.
  }
}

function load(name: string, format: StoreFormat, nul: boolean | undefined): IndexedFile {
  const path = name + format.suffixes[0]
  const files = readStoreFiles(name, format)
  warnIfOlder(path, name)
  try {
    return { store: format.read(files), nul }
  } catch (error) {
    if (error instanceof DamagedStore) throw new TableOpenError(`open database ${path}: ${error.message}`)
    throw error
  }
}

/** Bytes of a key or value as text, up to the first NUL. */
function textOf(bytes: Uint8Array): string {
  const nul = bytes.indexOf(0)
  return decodeRaw(nul < 0 ? bytes : bytes.subarray(0, nul))
}

function findBytes(file: IndexedFile, key: string): Uint8Array | undefined {
  if (file.nul !== false) {
    const value = file.store.find(keyBytes(key, 1))
    if (value !== undefined) {
      file.nul = true
      return value
    }
  }
  if (file.nul === true) return undefined
  const value = file.store.find(keyBytes(key, 0))
  if (value !== undefined) file.nul = false
  return value
}

/** An answer from a value; values of `-F` tables are base64. */
function answer(spec: string, key: string, value: string, fileContent: boolean): Lookup {
  if (!fileContent) return found(value)
  const content = decodeFileContent(value)
  if (content !== undefined) return found(content)
  const reason = `table ${spec}: key ${key}: malformed BASE64 value: ${value.slice(0, 30)}`
  log.warning(reason)
  return failed(reason)
}

function damaged(spec: string, error: unknown): Lookup {
  if (!(error instanceof DamagedStore)) throw error
  log.warning(`${spec}: ${error.message}`)
  return failed(error.message)
}

/** @throws {DamagedStore} */
function* textEntries({ store }: IndexedFile): Generator<readonly [string, string]> {
  for (const [key, value] of store.entries()) yield [textOf(key), textOf(value)]
}

/**
 * Opens a table of an indexed file type.
 *
 * @throws {TableOpenError} The file cannot be read or is damaged.
 */
export function openIndexed(type: string, { name, spec, options }: OpenRequest): Table {
  const format = storeFormat(type)
  if (format === undefined) throw new TableOpenError(`unsupported dictionary type: ${type}`)
  const fold = keyFolder(options)
  return openFileTable<IndexedFile>(spec, name + format.suffixes[0], {
    pattern: false,
    load: () => load(name, format, options.trailingNul),
    find(file, key) {
      try {
        const value = findBytes(file, fold(key))
        return value === undefined ? ABSENT : answer(spec, key, textOf(value), options.fileContent === true)
      } catch (error) {
        return damaged(spec, error)
      }
    },
    entries: textEntries,
  })
}
