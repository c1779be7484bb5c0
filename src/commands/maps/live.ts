/**
 * Changing tables that are changed while others use them: entry by entry, not as a new file.
 *
 * Source: postmap(1), -d and -i; memcache_table(5).
 */
import { openForQuery } from './query.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** Types whose tables take changes one by one. */
const LIVE_TYPES: ReadonlySet<string> = new Set(['memcache'])

/** Whether `-i` and `-d` go to the open table. */
export function isLive({ type }: MapName): boolean {
  return LIVE_TYPES.has(type)
}

/** Stores entries; those that the table refuses are in the log. @throws {CommandExit} It fails. */
export async function putLive(name: MapName, entries: Iterable<readonly [key: string, value: string]>, settings: MapSettings): Promise<void> {
  const { table, title } = openForQuery(name, settings)
  for (const [key, value] of entries) {
    const change = await table.put?.(key, value)
    if (change?.kind === 'error') die(settings.program, `table ${title}: write error`)
  }
  table.close()
}

/** Removes keys. Whether one of them was there. @throws {CommandExit} The table fails. */
export async function removeLive(name: MapName, keys: Iterable<string>, settings: MapSettings): Promise<boolean> {
  const { table, title } = openForQuery(name, settings)
  let found = false
  for (const key of keys) {
    const change = await table.remove?.(key)
    if (change?.kind === 'error') die(settings.program, `table ${title}: delete error`)
    found ||= change?.kind === 'done'
  }
  table.close()
  return found
}
