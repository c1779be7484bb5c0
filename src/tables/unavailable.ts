/**
 * A table that could not be opened: every answer is an error.
 *
 * Diagnostics: the reason as an error when it is opened; a warning at each lookup.
 */
import { log } from '#system/log.ts'
import { failed, type Table } from './table.ts'

/** Stands in for the table `spec`, which cannot be opened because of `reason`. */
export function unavailableTable(spec: string, reason: string): Table {
  log.error(reason)
  return {
    name: spec,
    pattern: false,
    lookup() {
      log.warning(`${spec} is unavailable. ${reason}`)
      return failed(reason)
    },
    close() {},
  }
}
