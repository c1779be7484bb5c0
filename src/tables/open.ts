/**
 * Opens lookup tables by their `type:name`.
 *
 * Every type has one row here. What cannot be opened becomes a table of errors,
 * with the reason in the log, so that mail waits rather than goes wrong.
 *
 * Source: DATABASE_README; postconf(1), -m.
 */
import { openCidr } from './cidr.ts'
import { openPipemap, openUnionmap } from './composite.ts'
import { openDebug, openEnviron, openFail, openInline, openInternal, openRandmap, openStatic } from './constant.ts'
import { openPcre } from './pattern/pcre.ts'
import { openRegexp } from './pattern/regexp.ts'
import { TableOpenError, type Opener, type Table, type TableOptions } from './table.ts'
import { openTexthash } from './texthash.ts'
import { unavailableTable } from './unavailable.ts'

/** How each type is opened. */
const OPENERS: Readonly<Record<string, Opener>> = {
  cidr: openCidr,
  debug: openDebug,
  environ: openEnviron,
  fail: openFail,
  inline: openInline,
  internal: openInternal,
  pcre: openPcre,
  pipemap: openPipemap,
  randmap: openRandmap,
  regexp: openRegexp,
  static: openStatic,
  texthash: openTexthash,
  unionmap: openUnionmap,
}

/** The types that can be opened, in alphabetical order, as `postconf -m` lists them. */
export const TABLE_TYPES: readonly string[] = Object.keys(OPENERS).toSorted()

function openOrThrow(spec: string, options: TableOptions): Table {
  const colon = spec.indexOf(':')
  const name = spec.slice(colon + 1)
  if (colon < 1 || name === '') {
    throw new TableOpenError(`open dictionary: expecting "type:name" form instead of "${spec}"`)
  }
  const type = spec.slice(0, colon)
  const opener = Object.hasOwn(OPENERS, type) ? OPENERS[type] : undefined
  if (opener === undefined) throw new TableOpenError(`unsupported dictionary type: ${type}`)
  return opener({ name, spec, options, open: (member) => openTable(member, options) })
}

/**
 * Opens the table `spec`, for example `hash:/etc/aliases`.
 *
 * A table that cannot be opened answers every lookup with an error, in
 * Postfix's words, and says so in the log.
 *
 * @throws {TableOpenError} It cannot be opened and `options.strict` is set.
 */
export function openTable(spec: string, options: TableOptions): Table {
  try {
    return openOrThrow(spec, options)
  } catch (error) {
    if (!(error instanceof TableOpenError) || options.strict === true) throw error
    return unavailableTable(spec, error.message)
  }
}
