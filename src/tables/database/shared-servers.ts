/**
 * Servers that tables of one process share: those with the same hosts, login and limits.
 *
 * @module
 */
import type { SqlConnection, SqlTimeouts } from '#network/database/connection.ts'
import { Servers, type ServerPlace, type ServersOptions } from './servers.ts'

/** Servers, and how a table gives up its share. */
export type SharedServers = { readonly servers: Servers<SqlConnection>; readonly release: () => void }

type Entry = { readonly servers: Servers<SqlConnection>; users: number }

const entries = new Map<string, Entry>()

/** What makes servers the same. */
export type ServersSource = {
  /** Everything that connections depend on. */
  readonly identity: readonly unknown[]
  readonly places: () => readonly ServerPlace<SqlConnection>[]
  readonly options: Pick<ServersOptions, 'type' | 'retryMs' | 'idleMs' | 'connectionsMax'>
  readonly timeouts: SqlTimeouts
}

/** The servers of `identity`, made when there are none yet. They are closed when no table uses them any more. */
export function shareServers({ identity, places, options, timeouts }: ServersSource): SharedServers {
  const key = JSON.stringify([options, identity])
  const entry = entries.get(key) ?? { servers: new Servers(places(), { ...options, waitMs: timeouts.connectMs + timeouts.queryMs }), users: 0 }
  entries.set(key, entry)
  entry.users++
  let isHeld = true
  return {
    servers: entry.servers,
    release() {
      if (!isHeld) return
      isHeld = false
      entry.users--
      if (entry.users > 0) return
      entries.delete(key)
      entry.servers.close()
    },
  }
}
