/**
 * Requests to the flush service: deliver now what waits for one destination, or one message.
 *
 * Postfix's own wire, so that its commands work with our service and ours with its.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'
import type { Config } from '#config/config.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openMatchList, type MatchList } from '#tables/match-list.ts'
import { attribute, attributeNumber, encodeAttributes, firstList, type Attribute } from './attributes.ts'

/** First list of the service: what it speaks. */
export const FLUSH_PROTOCOL = 'queue_flush_protocol'

/** Answers of the service. `deny`: this destination has no list. `fail`: it could not be done, or nobody answers. */
export const FLUSH_STATUS = { ok: 0, bad: 3, deny: 4, fail: -1 } as const

export type FlushStatus = (typeof FLUSH_STATUS)[keyof typeof FLUSH_STATUS]

/** What can be asked. Sites are domain names, or addresses in brackets. */
export type FlushRequest =
  | { readonly kind: 'add'; readonly site: string; readonly id: string }
  | { readonly kind: 'send_site'; readonly site: string }
  | { readonly kind: 'send_file'; readonly id: string }
  | { readonly kind: 'rfrsh' | 'purge' }

/** How long the service may take. */
const TIMEOUT_MS = 100_000
/** A greeting or an answer is no longer than this. */
const REPLY_BYTES_MAX = 4096

export function encodeFlushRequest(request: FlushRequest): Buffer {
  const list: Attribute[] = [['request', request.kind]]
  if ('site' in request) list.push(['site', request.site])
  if ('id' in request) list.push(['queue_id', request.id])
  return encodeAttributes(list)
}

function isStatus(value: number | undefined): value is FlushStatus {
  return Object.values(FLUSH_STATUS).some((status) => status === value)
}

/** Takes the greeting, sends the request, takes the answer. */
class FlushConversation {
  readonly #socket: Socket
  readonly #request: FlushRequest
  #held: Buffer = Buffer.alloc(0)
  #greeted = false

  constructor(socket: Socket, request: FlushRequest) {
    this.#socket = socket
    this.#request = request
  }

  /** The answer, once it is complete. */
  take(chunk: Buffer): FlushStatus | undefined {
    this.#held = Buffer.concat([this.#held, chunk])
    if (this.#held.length > REPLY_BYTES_MAX) return FLUSH_STATUS.fail
    for (let next = firstList(this.#held); next; next = firstList(this.#held)) {
      this.#held = this.#held.subarray(next.length)
      if (this.#greeted) return statusOf(next.list)
      if (attribute(next.list, 'protocol') !== FLUSH_PROTOCOL) return FLUSH_STATUS.fail
      this.#greeted = true
      this.#socket.write(encodeFlushRequest(this.#request))
    }
    return undefined
  }
}

function statusOf(list: readonly (readonly [string, string])[]): FlushStatus {
  const status = attributeNumber(attribute(list, 'status'))
  return isStatus(status) ? status : FLUSH_STATUS.fail
}

/** Asks the service at `path`. Never throws: who cannot be reached has failed. */
export function askFlushService(path: string, request: FlushRequest): Promise<FlushStatus> {
  return new Promise((resolve) => {
    const socket = connect(path)
    const conversation = new FlushConversation(socket, request)
    socket.setTimeout(TIMEOUT_MS, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      const status = conversation.take(chunk)
      if (status === undefined) return
      resolve(status)
      socket.destroy()
    })
    socket.on('error', (error) => {
      log.warning(`connect to ${path}: ${errnoText(error)}`)
      socket.destroy()
    })
    socket.on('close', () => resolve(FLUSH_STATUS.fail))
  })
}

/** The flush service, as smtpd (ETRN), qmgr and postqueue use it. */
export class FlushClient {
  readonly #path: string
  readonly #domains: MatchList

  /** @param directory Where the queue directory is seen; `.` in workers. */
  constructor(config: Config, directory: string = config.str('queue_directory')) {
    this.#path = `${directory === '.' ? '' : `${directory}/`}public/${config.str('flush_service_name')}`
    this.#domains = openMatchList('fast_flush_domains', config.str('fast_flush_domains'), 'domain', { config })
  }

  /** Whether there is a list for this destination at all: spares the request. */
  async isListed(site: string): Promise<boolean> {
    return !this.#domains.empty && (await this.#domains.match(site)) === true
  }

  /** Notes that a message waits for a destination. */
  async add(site: string, id: string): Promise<FlushStatus> {
    if (!(await this.isListed(site))) return FLUSH_STATUS.deny
    return askFlushService(this.#path, { kind: 'add', site, id })
  }

  /** Starts delivery of all that waits for a destination. */
  async sendSite(site: string): Promise<FlushStatus> {
    if (!(await this.isListed(site))) return FLUSH_STATUS.deny
    return askFlushService(this.#path, { kind: 'send_site', site })
  }

  /** Starts delivery of one message. */
  sendFile(id: string): Promise<FlushStatus> {
    return askFlushService(this.#path, { kind: 'send_file', id })
  }
}
