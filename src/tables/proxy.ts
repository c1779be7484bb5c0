/**
 * proxy: Postfix asks its proxymap process, which holds a table open for many.
 *
 * Here a worker serves many clients already, so the table behind `proxy:` is
 * opened in the worker itself. What that changes: the worker's own rights
 * count, and a chrooted service has to open such tables before chroot, as with
 * any other table.
 *
 * Source: proxymap(8).
 */
import { TableOpenError, type OpenRequest, type Table } from './table.ts'

/**
 * Opens `proxy:type:name`.
 *
 * @throws {TableOpenError} No type; the table behind it reports its own problems.
 */
export function openProxy({ name, spec, open }: OpenRequest): Table {
  if (!name.includes(':')) throw new TableOpenError(`open dictionary: expecting "type:name" form instead of "${name}"`)
  const inner = open(name)
  return {
    name: spec,
    pattern: inner.pattern,
    lookup: (key) => inner.lookup(key),
    refresh: () => inner.refresh?.(),
    close: () => inner.close(),
  }
}
