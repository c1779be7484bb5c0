/**
 * proxymap: opens lookup tables for others: `proxy:type:name`.
 *
 * One process answers for a table that many would have to open otherwise, and services in a chroot reach tables that
 * lie outside of it. Under the name proxywrite it also changes tables; one process does that for all.
 *
 * Talks to:      workers and commands that use `proxy:` tables (service/proxymap).
 * Reads, writes: the tables that proxy_read_maps approves, and, as proxywrite, those of proxy_write_maps.
 * Privileges:    mail_owner; no chroot, by its entry in master.cf. Refuses tables that are not approved. Tables that
 *                decide about rights are never asked for here: their users open them themselves.
 * Diagnostics:   warnings about tables that are not approved, and about those that fail; errors of a table are passed
 *                on to the asker, who tries again later.
 * Standards:     proxymap(8) of Postfix: names, approval, log lines.
 *
 * @module
 */
import type { Socket } from 'node:net'
import { serveConversation } from '#service/conversation.ts'
import { isProxyRequest } from '#service/proxymap.ts'
import { runWorker, type WorkerSetup } from '#service/worker.ts'
import { log } from '#system/log.ts'
import { errnoText } from '#system/errno.ts'
import type { ProxyReply, ProxyRequest, ProxyService } from '#tables/proxy.ts'
import { ProxiedTables, type Walks } from './tables.ts'

function serviceOf(name: string, names: Readonly<Record<ProxyService, string>>): ProxyService {
  if (name === names.proxywrite) return 'proxywrite'
  if (name === names.proxymap) return 'proxymap'
  throw new Error(`service name must be one of ${names.proxymap} or ${names.proxywrite}`)
}

function onError(error: unknown): void {
  log.warning(`malformed request: ${errnoText(error)}`)
}

/** The service. @throws {Error} It has neither of its two names, or arguments. */
export const setup: WorkerSetup = ({ config, service, args, slots }) => {
  if (args[0] !== undefined) throw new Error(`unexpected command-line argument: ${args[0]}`)
  const kind = serviceOf(service.name, { proxymap: config.str('proxymap_service_name'), proxywrite: config.str('proxywrite_service_name') })
  const tables = new ProxiedTables(config, kind)
  return {
    // Connections stay open while their owners live: requests take the places. The one writer takes all at once, and
    // writes those of one turn together.
    counted: false,
    ...(kind === 'proxywrite' ? { maxIdle: 0 } : {}),
    connection: (socket: Socket) => {
      const walks: Walks = new Map()
      serveConversation<ProxyRequest, ProxyReply>(
        socket, isProxyRequest, (request) => tables.answer(request, walks), kind === 'proxywrite' ? { onError } : { onError, slots },
      )
    },
    drain: () => tables.settled(),
  }
}

if (import.meta.main) await runWorker('proxymap', setup)
