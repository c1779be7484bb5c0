/**
 * Changing tables that are changed while others use them: entry by entry, not as a new file.
 *
 * Source: postmap(1), -d and -i; memcache_table(5); proxymap(8).
 */
import { PROXIED_ERROR } from '#tables/proxy.ts'
import { TableOpenError, type Change } from '#tables/table.ts'
import { openForQuery } from './query.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** Types whose tables take changes one by one. */
const LIVE_TYPES: ReadonlySet<string> = new Set(['memcache', 'proxy'])

/** Whether `-i` and `-d` go to the open table. */
export function isLive({ type }: MapName): boolean {
  return LIVE_TYPES.has(type)
}

/** @throws {CommandExit} The table refuses. */
async function changeOf(change: Promise<Change> | undefined, { program }: MapSettings): Promise<Change | undefined> {
  try {
    return await change
  } catch (error) {
    if (error instanceof TableOpenError) return die(program, error.message)
    throw error
  }
}

function dieOf(what: string, title: string, reason: string, { program }: MapSettings): never {
  return die(program, `table ${title}: ${what} error${reason === PROXIED_ERROR ? `: ${reason}` : ''}`)
}

/** Stores entries; those that the table refuses are in the log. @throws {CommandExit} It fails. */
export async function putLive(name: MapName, entries: Iterable<readonly [key: string, value: string]>, settings: MapSettings): Promise<void> {
  const { table, title } = openForQuery(name, settings)
  for (const [key, value] of entries) {
    const change = await changeOf(table.put?.(key, value), settings)
    if (change?.kind === 'error') dieOf('write', title, change.reason, settings)
  }
  table.close()
}

/** Removes keys. Whether one of them was there. @throws {CommandExit} The table fails. */
export async function removeLive(name: MapName, keys: Iterable<string>, settings: MapSettings): Promise<boolean> {
  const { table, title } = openForQuery(name, settings)
  let found = false
  for (const key of keys) {
    const change = await changeOf(table.remove?.(key), settings)
    if (change?.kind === 'error') dieOf('delete', title, change.reason, settings)
    found ||= change?.kind === 'done'
  }
  table.close()
  return found
}
