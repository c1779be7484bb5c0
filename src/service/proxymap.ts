/**
 * Requests to proxymap: both ends of the conversation.
 *
 * A program that uses tables calls `useProxymap()` once, at its start. Requests of one process share a connection,
 * many at a time. A lost connection (the service was replaced) is made anew once; a service that is not there is an
 * error at once, and the next lookup tries again. (Postfix's client tries ten times within 100 seconds and then ends
 * its process.)
 *
 * Source: proxymap(8); postconf(5), proxymap_service_name, proxywrite_service_name, ipc_timeout, ipc_idle.
 *
 * @module
 */
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { connectProxy, type ProxyReply, type ProxyRequest, type ProxyService } from '#tables/proxy.ts'
import { ConversationError, openClient, type Client } from './conversation.ts'
import { hasShape, isRecord } from './shape.ts'

const FLAGS = { fold: 'boolean', regsub: 'boolean', fileContent: 'boolean', utf8: 'boolean' } as const
/** Members of each kind of request besides table and flags. */
const MEMBERS = {
  lookup: { key: 'string' },
  update: { key: 'string', value: 'string' },
  delete: { key: 'string' },
  sequence: { first: 'boolean' },
} as const
const STATUSES: readonly unknown[] = ['ok', 'absent', 'retry', 'denied', 'invalid', 'unsupported']

/** No lookup is worth a longer wait, whatever ipc_timeout says: tables have shorter limits of their own. */
const TIMEOUT_SECONDS_MAX = 120

export function isProxyRequest(message: unknown): message is ProxyRequest {
  if (!isRecord(message) || !hasShape(message, { table: 'string', flags: FLAGS, kind: 'string' })) return false
  const members = Object.entries(MEMBERS).find(([kind]) => kind === message['kind'])
  return members !== undefined && hasShape(message, members[1])
}

export function isProxyReply(message: unknown): message is ProxyReply {
  if (!isRecord(message) || !STATUSES.includes(message['status'])) return false
  const { value, entries, more } = message
  return (value === undefined || typeof value === 'string') && (more === undefined || typeof more === 'boolean')
    && (entries === undefined || hasShape(entries, ['array']))
}

type ProxyClient = Client<ProxyRequest, ProxyReply>

function serviceName(config: Config, service: ProxyService): string {
  return config.str(service === 'proxymap' ? 'proxymap_service_name' : 'proxywrite_service_name')
}

/**
 * Lets the `proxy:` tables of this process ask the services.
 *
 * @param directory The queue directory; empty for a process that works in it, as all workers do, with or without a
 *   chroot.
 */
export function useProxymap(directory = ''): void {
  const clients = new Map<string, ProxyClient>()
  const clientOf = (config: Config, path: string): ProxyClient => {
    const known = clients.get(path)
    if (known !== undefined) return known
    const client = openClient<ProxyRequest, ProxyReply>(path, isProxyReply, { idleMs: 1000 * config.time('ipc_idle') })
    clients.set(path, client)
    return client
  }
  connectProxy(async (config, service, request) => {
    const path = join(directory, 'private', serviceName(config, service))
    const client = clientOf(config, path)
    const seconds = Math.min(config.time('ipc_timeout'), TIMEOUT_SECONDS_MAX)
    const ask = (): Promise<ProxyReply> => client.request(request, AbortSignal.timeout(1000 * seconds))
    try {
      return await ask().catch((error: unknown) => {
        // A walk cannot be taken up by another process in the middle.
        const again = error instanceof ConversationError && error.problem === 'lost' && (request.kind !== 'sequence' || request.first)
        if (again) return ask()
        throw error
      })
    } catch (error) {
      throw new Error(problemOf(error, path, seconds), { cause: error })
    }
  })
}

function problemOf(error: unknown, path: string, seconds: number): string {
  if (error instanceof ConversationError) {
    return error.problem === 'absent' ? `connect #1 to subsystem ${path}: ${error.reason}` : `service ${path}: ${error.reason}`
  }
  return `service ${path}: no answer within ${seconds} seconds`
}
