/**
 * What a lookup table is to its users: a key in; a value, nothing, or an error out.
 *
 * Tables that read memory or the page cache answer at once; those that ask
 * another process answer with a promise. A table that cannot be opened still is
 * a table, whose every answer is an error (see `unavailable.ts`): the caller
 * defers, and never takes "cannot look" for "not there".
 *
 * Source: DATABASE_README; postmap(1).
 */
import type { Config } from '#config/config.ts'
import type { MaybePromise } from '#util/maybe.ts'

/** The answer of a table. `error` is temporary: try again later, do not decide on it. */
export type Lookup =
  | { readonly kind: 'found'; readonly value: string }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly reason: string }

/** The one answer for "not in the table". */
export const ABSENT: Lookup = { kind: 'absent' }

/** What a change of an entry did. `refused`: never; `error`: not now. The reason is in the log already. */
export type Change =
  | { readonly kind: 'done' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'error'; readonly reason: string }

/** An opened lookup table. */
export interface Table {
  /** As the admin wrote it: `hash:/etc/postfix/virtual`. */
  readonly name: string
  /** Looks at the whole key only (regexp, cidr, tcp ...): callers skip it for parts of a key. */
  readonly pattern: boolean
  /** Text in, text out; folds the key as its type and options say. Never throws, never rejects. */
  lookup(key: string): MaybePromise<Lookup>
  /** Reads the file again when it changed: one stat. Tables of files also do this by themselves, once a second. */
  refresh?(): void
  /** All entries in the order of the store; only for tables that can be walked. */
  entries?(): Entries
  /** Stores an entry, for all to see; only for tables that others can write to while they are open. Never rejects. */
  put?(key: string, value: string): Promise<Change>
  /** Removes an entry likewise. */
  remove?(key: string): Promise<Change>
  /** Gives up files and sockets. The table is not used afterwards. */
  close(): void
}

/** Entries of a table that can be walked; the walk throws `TableOpenError` when it cannot go on. */
export type Entries = Iterable<readonly [key: string, value: string]> | AsyncIterable<readonly [key: string, value: string]>

/** How to open a table. */
export type TableOptions = {
  readonly config: Config
  /** Lower-case the keys of tables that compare exactly; default true. */
  readonly fold?: boolean
  /** Allow `$1` in the results of regexp and pcre tables; default true. */
  readonly regsub?: boolean
  /** Throw `TableOpenError` in place of opening a table of errors; for commands. Default false. */
  readonly strict?: boolean
  /** Only look for keys with a NUL behind (true) or without (false); default: either. */
  readonly trailingNul?: boolean
  /**
   * The table decides about rights: what stands behind `proxy:` is opened here, because the proxymap service is not
   * trusted with it. Default false.
   */
  readonly direct?: boolean
  /**
   * The table names commands, files or users: types whose servers anybody may write to are refused, as Postfix does.
   * Default false.
   */
  readonly sensitive?: boolean
  /** Values name files: answer with the content of the file, as `postmap -F` stores it. Default false. */
  readonly fileContent?: boolean
}

/** Why a table cannot be opened, in Postfix's words. */
export class TableOpenError extends Error {
  override readonly name = 'TableOpenError'
}

/** What the function that opens one type gets. */
export type OpenRequest = {
  /** The text after `type:`. */
  readonly name: string
  /** The whole text, `type:name`. */
  readonly spec: string
  readonly options: TableOptions
  /** Opens another table: for types made of tables. */
  readonly open: (spec: string) => Table
}

/**
 * Opens a table of one type.
 *
 * @throws {TableOpenError} The table cannot be opened.
 */
export type Opener = (request: OpenRequest) => Table

/** The answer that holds `value`. */
export function found(value: string): Lookup {
  return { kind: 'found', value }
}

/** The answer that says why there is none. */
export function failed(reason: string): Lookup {
  return { kind: 'error', reason }
}

/** Refuses a type that anybody may write to, for data that must not come from anybody. @throws {TableOpenError} */
export function refuseSensitive({ spec, options }: OpenRequest): void {
  if (options.sensitive === true) throw new TableOpenError(`${spec} map is not allowed for security-sensitive data`)
}
