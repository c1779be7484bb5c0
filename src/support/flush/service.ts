/**
 * Requests of the flush service, one a connection.
 *
 * @module
 */
import type { Socket } from 'node:net'
import type { Config } from '#config/config.ts'
import { addToList, refreshLists, serveMessage, serveSite } from '#queue/flush-log.ts'
import { isQueueId, type Spool } from '#queue/spool.ts'
import { attribute, encodeAttributes, firstList } from '#service/attributes.ts'
import { FLUSH_PROTOCOL, FLUSH_STATUS, type FlushStatus } from '#service/flush-client.ts'
import { sendTrigger } from '#service/trigger.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { openMatchList, type MatchList } from '#tables/match-list.ts'

/** What qmgr is told before files are touched (dead destinations live again), and after (look into incoming). */
const BEFORE_REQUEST = 'F'
const AFTER_REQUEST = 'I'
const WAKEUP = 'W\0'
const REQUEST_BYTES_MAX = 4096
const IDLE_TIMEOUT_MS = 100_000

type Pairs = readonly (readonly [string, string])[]

/** Serves requests on one queue. */
export class FlushService {
  readonly #spool: Spool
  readonly #domains: MatchList
  readonly #queueManager: string
  readonly #refreshSeconds: number
  readonly #purgeSeconds: number

  constructor(spool: Spool, config: Config) {
    this.#spool = spool
    this.#domains = openMatchList('fast_flush_domains', config.str('fast_flush_domains'), 'domain', { config })
    const base = spool.path === '.' ? '' : `${spool.path}/`
    this.#queueManager = `${base}public/${config.str('queue_service_name')}`
    this.#refreshSeconds = config.time('fast_flush_refresh_time')
    this.#purgeSeconds = config.time('fast_flush_purge_time')
  }

  /** One client: greeting, request, answer; or master's wakeup. */
  serve(socket: Socket): void {
    let held = Buffer.alloc(0)
    socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk])
      if (held.toString('latin1') === WAKEUP) {
        socket.end()
        void this.answer([['request', 'rfrsh']])
        return
      }
      const request = firstList(held)
      if (request) void this.#reply(socket, request.list)
      else if (held.length > REQUEST_BYTES_MAX) socket.destroy()
    })
    socket.write(encodeAttributes([['protocol', FLUSH_PROTOCOL]]))
  }

  async #reply(socket: Socket, list: Pairs): Promise<void> {
    const status = await this.answer(list)
    if (!socket.destroyed) socket.end(encodeAttributes([['status', status]]))
  }

  /** The status that a request ends with. Never rejects. */
  async answer(list: Pairs): Promise<FlushStatus> {
    try {
      return await this.#perform(list)
    } catch (error) {
      log.warning(`flush: ${errnoText(error)}`)
      return FLUSH_STATUS.fail
    }
  }

  #perform(list: Pairs): Promise<FlushStatus> | FlushStatus {
    const site = attribute(list, 'site')
    const id = attribute(list, 'queue_id')
    switch (attribute(list, 'request')) {
      case 'add': return site !== undefined && id !== undefined ? this.#add(site, id) : FLUSH_STATUS.bad
      case 'send_site': return site === undefined ? FLUSH_STATUS.bad : this.#sendSite(site)
      case 'send_file': return id === undefined ? FLUSH_STATUS.bad : this.#sendFile(id)
      case 'rfrsh': return this.#refresh(this.#refreshSeconds)
      case 'purge': return this.#refresh(0)
      default: return FLUSH_STATUS.bad
    }
  }

  async #add(site: string, id: string): Promise<FlushStatus> {
    if (!isQueueId(id)) return FLUSH_STATUS.bad
    if ((await this.#domains.match(site)) !== true) return FLUSH_STATUS.deny
    addToList(this.#spool, site, id)
    return FLUSH_STATUS.ok
  }

  async #sendSite(site: string): Promise<FlushStatus> {
    if ((await this.#domains.match(site)) !== true) return FLUSH_STATUS.deny
    await this.#trigger(BEFORE_REQUEST)
    serveSite(this.#spool, site)
    await this.#trigger(AFTER_REQUEST)
    return FLUSH_STATUS.ok
  }

  async #sendFile(id: string): Promise<FlushStatus> {
    if (!isQueueId(id)) return FLUSH_STATUS.bad
    if (serveMessage(this.#spool, id)) await this.#trigger(AFTER_REQUEST)
    return FLUSH_STATUS.ok
  }

  async #refresh(refreshSeconds: number): Promise<FlushStatus> {
    if (refreshLists(this.#spool, { refreshSeconds, purgeSeconds: this.#purgeSeconds }) > 0) {
      await this.#trigger(AFTER_REQUEST)
    }
    return FLUSH_STATUS.ok
  }

  /** The files are due in any case: without this, qmgr finds them at its next scan. */
  async #trigger(request: string): Promise<void> {
    try {
      await sendTrigger(this.#queueManager, request)
    } catch (error) {
      log.warning(`connect to ${this.#queueManager}: ${errnoText(error)}`)
    }
  }
}
