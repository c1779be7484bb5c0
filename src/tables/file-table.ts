/**
 * Tables read from a file: loads it, notices changes, swaps in the new content.
 *
 * Postfix ends a process when one of its tables changed and lets the next one
 * read it. Here the worker serves many clients at once, so the content is
 * swapped below them. While a new file cannot be read, the old content stays,
 * with one warning for each change.
 */
import { readFileSync, statSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { TableOpenError, type Table } from './table.ts'
import type { Lookup } from './table.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** How often a lookup looks for a changed file. */
const CHECK_INTERVAL_MS = 1000

/** What tells one version of a file from the next; `gone` when it is not there. */
function fileVersion(path: string): string {
  try {
    const { dev, ino, size, mtimeMs } = statSync(path)
    return `${dev} ${ino} ${size} ${mtimeMs}`
  } catch {
    return 'gone'
  }
}

/** One type of file: how to read it and how to ask what was read. */
export type FileFormat<T> = {
  readonly pattern: boolean
  /** @throws {TableOpenError} The file cannot be read or is damaged. */
  load(): T
  find(content: T, key: string): MaybePromise<Lookup>
  entries?(content: T): Iterable<readonly [string, string]>
  /** Frees what `load()` made, when the content is replaced. */
  free?(content: T): void
}

class FileTable<T> implements Table {
  readonly name: string
  readonly pattern: boolean
  readonly #path: string
  readonly #format: FileFormat<T>
  #content: T
  #version: string
  #checkedAt = performance.now()

  constructor(spec: string, path: string, format: FileFormat<T>) {
    this.name = spec
    this.pattern = format.pattern
    this.#path = path
    this.#format = format
    this.#version = fileVersion(path)
    this.#content = format.load()
  }

  lookup(key: string): MaybePromise<Lookup> {
    if (performance.now() - this.#checkedAt > CHECK_INTERVAL_MS) this.refresh()
    return this.#format.find(this.#content, key)
  }

  refresh(): void {
    this.#checkedAt = performance.now()
    const version = fileVersion(this.#path)
    if (version === this.#version) return
    this.#version = version
    try {
      const content = this.#format.load()
      this.#format.free?.(this.#content)
      this.#content = content
    } catch (error) {
      if (!(error instanceof TableOpenError)) throw error
      log.warning(`${this.name}: keeping the old content: ${error.message}`)
    }
  }

  entries(): Iterable<readonly [string, string]> {
    return this.#format.entries?.(this.#content) ?? []
  }

  close(): void {
    this.#format.free?.(this.#content)
  }
}

/**
 * Opens the table `spec` that lives in the file `path`.
 *
 * @throws {TableOpenError} From `format.load()`.
 */
export function openFileTable<T>(spec: string, path: string, format: FileFormat<T>): Table {
  return new FileTable(spec, path, format)
}

/**
 * The bytes of a table's file. `what` begins the message: `open /etc/x: No such file or directory`.
 *
 * @throws {TableOpenError} It cannot be read.
 */
export function readTableFile(path: string, what = `open ${path}`): Buffer {
  try {
    return readFileSync(path)
  } catch (error) {
    const isRead = error instanceof Error && 'syscall' in error && error.syscall === 'read'
    throw new TableOpenError(`${isRead ? `read ${path}` : what}: ${errnoText(error)}`)
  }
}
