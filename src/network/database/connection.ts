/**
 * What a connection to an SQL server is to the tables that ask it, whatever the driver.
 *
 * This layer has no log and no settings: it says what went wrong, and the table decides.
 */

/** One answer. Columns are text, `null` for NULL, in the order of the query. */
export type SqlAnswer =
  | { readonly kind: 'rows'; readonly rows: readonly (readonly (string | null)[])[] }
  /** The statement has no result set, such as an INSERT. */
  | { readonly kind: 'none' }
  /** More than one result set, from a stored procedure. */
  | { readonly kind: 'many' }
  /** There was no statement at all. */
  | { readonly kind: 'empty' }

/** The server understood and said no. The connection can be used again; all other errors end it. */
export class SqlRefusal extends Error {
  override readonly name = 'SqlRefusal'
}

/** How text has to be escaped inside quotes, as the server of this connection wants it. */
export type SqlEscapes = 'backslash' | 'quotes'

/** A connection. One query at a time. */
export interface SqlConnection {
  readonly escapes: SqlEscapes
  /** Whether the server has not closed it, as far as is known. */
  readonly alive: boolean
  /**
   * Sends a query. Text is UTF-8.
   *
   * @throws {SqlRefusal} The server refuses it.
   * @throws {Error} No answer in time, or the connection is lost: the caller closes it.
   */
  query(text: string): Promise<SqlAnswer>
  /** The process may end while it is idle. */
  setIdle(idle: boolean): void
  close(): void
}

/** Limits for every server, in milliseconds. */
export type SqlTimeouts = { readonly connectMs: number; readonly queryMs: number }

/**
 * The value of `promise`, if it comes in time.
 *
 * @param abandon Called when it does not.
 * @throws {Error} `text`, after `ms`.
 */
export async function within<T>(ms: number, promise: Promise<T>, text: string, abandon: () => void): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    late.reject(new Error(text))
    abandon()
  }, ms)
  try {
    return await Promise.race([promise, late.promise])
  } finally {
    clearTimeout(timer)
    promise.catch(() => undefined)
  }
}
