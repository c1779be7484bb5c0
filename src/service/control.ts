/**
 * What master and its workers tell each other, over the IPC channel of node:child_process.
 *
 * A channel that closes tells a worker that master is gone.
 *
 * @module
 */
import { isRecord } from './shape.ts'

/** From a worker. */
export type WorkerMessage =
  /** It accepts clients now. */
  | { readonly kind: 'ready' }
  /** It got its first client: an exit from now on is no failed start. */
  | { readonly kind: 'used' }
  /** It reached its limit of clients, or has room again. */
  | { readonly kind: 'full'; readonly full: boolean }
  /** It has little time left for more clients. */
  | { readonly kind: 'busy' }
  /** It wants the keys of session tickets. */
  | { readonly kind: 'ticket-keys' }
  /** It accepts no more clients, and ends when those at work are done. */
  | { readonly kind: 'leaving' }

/** To a worker. */
export type MasterMessage =
  /** Its share of the service's process limit; 0: no limit. */
  | { readonly kind: 'limit'; readonly clients: number }
  /** Whether new sessions use the values for `stress`. */
  | { readonly kind: 'stress'; readonly stress: boolean }
  /** Accept no more, finish those at work, end. `graceMs`: end after this long in any case. */
  | { readonly kind: 'stop'; readonly reason: 'reload' | 'stop'; readonly graceMs?: number }
  /** The answer to `ticket-keys`: TICKET_KEY_BYTES in base64, and how long they are good for. */
  | { readonly kind: 'ticket-keys'; readonly keys: string; readonly lifeMs: number }

/** Messages of workers that are nothing but their kind. */
const PLAIN_KINDS: ReadonlySet<string> = new Set<WorkerMessage['kind']>(['ready', 'busy', 'used', 'ticket-keys', 'leaving'])

/** Tells whether a message comes from a worker of ours. */
export function isWorkerMessage(message: unknown): message is WorkerMessage {
  if (!isRecord(message)) return false
  if (message['kind'] === 'full') return typeof message['full'] === 'boolean'
  return typeof message['kind'] === 'string' && PLAIN_KINDS.has(message['kind'])
}

/** Tells whether a message comes from master. */
export function isMasterMessage(message: unknown): message is MasterMessage {
  if (!isRecord(message)) return false
  switch (message['kind']) {
    case 'limit':
      return typeof message['clients'] === 'number'
    case 'stress':
      return typeof message['stress'] === 'boolean'
    case 'stop':
      return message['reason'] === 'reload' || message['reason'] === 'stop'
    case 'ticket-keys':
      return typeof message['keys'] === 'string' && typeof message['lifeMs'] === 'number'
    default:
      return false
  }
}

/** Name, HMAC key and cipher key of session tickets, as node:tls takes them in one. */
export const TICKET_KEY_BYTES = 48

/** The environment variable with a worker's limit of clients at its start. */
export const LIMIT_VARIABLE = 'POSTHORN_CLIENT_LIMIT'

/** The environment variable with a worker's name in the log: the command of master.cf. */
export const PROGRAM_VARIABLE = 'POSTHORN_PROGRAM'

/** The first descriptor of a worker's listeners; the IPC channel comes after the last. */
export const FIRST_LISTENER_FD = 3

/** How many clients the system keeps waiting on each listener. Master and workers must use the same. */
export const LISTEN_BACKLOG = 1024
