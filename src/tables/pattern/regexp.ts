/**
 * regexp: rules with POSIX regular expressions.
 *
 * Source: regexp_table(5).
 */
import { errnoText } from '#system/errno.ts'
import { TableOpenError, type OpenRequest, type Table } from '#tables/table.ts'
import { compilePosix, posixLibrary } from './posix.ts'
import { openPatternTable, type PatternDialect } from './rules.ts'

const DIALECT: PatternDialect = {
  type: 'regexp',
  options: 'imx',
  defaults: 'ix',
  second: true,
  skipping: 'skipping',
  compile: compilePosix,
}

/**
 * Opens `regexp:path` or `regexp:{ {rule}, {rule} }`.
 *
 * @throws {TableOpenError} Unreadable, malformed, or this system has no regcomp(3) to call.
 */
export function openRegexp(request: OpenRequest): Table {
  try {
    posixLibrary()
  } catch (error) {
    throw new TableOpenError(`regexp map ${request.name}: no engine on this system: ${errnoText(error)}`)
  }
  return openPatternTable(request, DIALECT)
}
