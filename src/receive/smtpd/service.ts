/**
 * One smtpd service with one configuration: its parameters, tables, lists and
 * connections to other services, shared by all its sessions.
 *
 * @module
 */
import { statfsSync } from 'node:fs'
import type { SecureContext } from 'node:tls'
import { openAccess } from '#access/open.ts'
import type { Access, AccessTools } from '#access/types.ts'
import type { Cleanup } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { findParameter, type ParameterName } from '#config/parameters/table.ts'
import type { Resolver } from '#network/dns.ts'
import { openSaslServer } from '#network/sasl.ts'
import { openServerTls, type ServerTls } from '#network/tls.ts'
import { openRouter } from '#rewrite/resolve.ts'
import type { AnvilClient } from '#service/anvil.ts'
import type { ErrorNotices } from '#service/error-notice.ts'
import { FlushClient, FLUSH_STATUS } from '#service/flush-client.ts'
import { notifyQueueManager } from '#service/intake.ts'
import { log } from '#system/log.ts'
import { openMaps, type MapsResult } from '#tables/maps.ts'
import { asciiLower } from '#util/ascii.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { ClientLimits } from './limits.ts'
import { openLists, type Lists } from './lists.ts'
import { noticeOf } from './notice.ts'
import type { FlushResult, SessionPorts } from './ports.ts'
import { openRejectText } from './reject-text.ts'
import { withMechanismFilter } from './sasl-filter.ts'
import { smtpdSettings, type Settings } from './settings.ts'
import { openServerNames, type ServerNames } from './server-names.ts'

/** What services of all configurations share. */
export type ServiceTools = {
  /** As master.cf has it. */
  readonly serviceName: string
  readonly cleanup: Cleanup
  /** Mail to postmaster about sessions that go wrong. */
  readonly notices: ErrorNotices
  readonly anvil: AnvilClient
  readonly resolver: Resolver
  readonly verify?: NonNullable<AccessTools['verify']>
  /** The queue directory; default: the current one. */
  readonly queueDirectory?: string
  /** Default: the real qmgr. */
  readonly accepted?: (id: string) => void
}

let lastInstance = 0

/** Everything that sessions of one configuration share. */
export class SmtpdService {
  readonly settings: Settings
  readonly access: Access
  readonly ports: SessionPorts
  readonly limits: ClientLimits
  readonly resolver: Resolver
  readonly tls: ServerTls | undefined
  readonly tlsLogLevel: number
  readonly #names: ServerNames
  readonly #lists: Lists

  /**
   * @param calm The service without stress: what stress does not change is shared with it.
   * @throws {ConfigError} When the parameters cannot be used; above all, when the relay would be open.
   */
  constructor(config: Config, tools: ServiceTools, calm?: SmtpdService) {
    this.settings = smtpdSettings(config, tools.serviceName)
    this.resolver = tools.resolver
    if (calm !== undefined && !changesWithStress(config)) {
      ;({ access: this.access, ports: this.ports, tls: this.tls, tlsLogLevel: this.tlsLogLevel } = calm)
      this.#names = calm.#names
      this.#lists = calm.#lists
      this.limits = new ClientLimits(this.settings, tools.anvil, (client) => this.#lists.isUnlimited(client))
      return
    }
    const { tlsLevel, tlsWrapper } = this.settings
    this.access = openAccess(config, {
      resolver: tools.resolver, router: openRouter(config), ...(tools.verify !== undefined && { verify: tools.verify }),
    })
    const level = tlsLevel === 'encrypt' ? 'encrypt' : 'may'
    this.tls = tlsLevel === 'none' && !tlsWrapper ? undefined : openServerTls(config, level)
    this.tlsLogLevel = logLevel(config.str('smtpd_tls_loglevel'))
    this.#names = openServerNames(config, this.tls)
    this.#lists = openLists(config)
    this.limits = new ClientLimits(this.settings, tools.anvil, (client) => this.#lists.isUnlimited(client))
    this.ports = this.#makePorts(config, tools)
  }

  /** The context for a server name; undefined: that of the service. */
  serverName(name: string): MaybePromise<SecureContext | undefined> {
    return this.#names.find(name)
  }

  #makePorts(config: Config, tools: ServiceTools): SessionPorts {
    const { settings } = this
    const keywords = openMaps(
      'smtpd_discard_ehlo_keyword_address_maps', config.str('smtpd_discard_ehlo_keyword_address_maps'), { config },
    )
    const commands = openMaps('smtpd_command_filter', config.str('smtpd_command_filter'), { config, fold: false })
    const flush = new FlushClient(config)
    const directory = tools.queueDirectory ?? '.'
    const { notices } = tools
    return {
      log,
      access: this.access,
      sasl: withMechanismFilter(config, openSaslServer(config)),
      now: () => new Date(),
      begin: (flags) => tools.cleanup.begin(flags),
      freeBytes: () => freeBytes(directory),
      accepted: tools.accepted ?? ((id) => notifyQueueManager([id], settings.queueService)),
      rate: (event, client) => this.limits.rate(event, client),
      clientListed: (list, client) => this.#lists.clientListed(list, client),
      commandListed: (list, word) => this.#lists.commandListed(list, word),
      filterCommand: (line) => (commands.empty ? undefined : whenReady(commands.find(line), foundValue)),
      discardedKeywords: (address) => (keywords.empty ? undefined : whenReady(keywords.find(address), foundValue)),
      finishReject: openRejectText(config),
      flush: (domain) => startFlush(flush, domain),
      tlsReady: () => this.tls !== undefined,
      notifyPostmaster: (trouble) => notices.send(noticeOf(trouble)),
      nextInstance: () => lastInstance++,
    }
  }
}

function foundValue(result: MapsResult): string | undefined {
  return result.kind === 'found' ? result.value : undefined
}

/** Whether more than numbers depend on `$stress`: numbers are read for each service anyway. */
function changesWithStress(config: Config): boolean {
  return config.names().some((name) => name !== 'stress' && isText(name) && config.raw(name).includes('stress'))
}

function isText(name: string): name is ParameterName {
  const kind = findParameter(name)?.kind
  return kind === 'str' || kind === 'raw'
}

async function startFlush(client: FlushClient, domain: string): Promise<FlushResult> {
  const status = await client.sendSite(domain)
  if (status === FLUSH_STATUS.ok) return 'started'
  if (status === FLUSH_STATUS.deny) return 'denied'
  return status === FLUSH_STATUS.bad ? 'malformed' : 'failed'
}

/** What a process without privileges may still fill. */
function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}

/** smtpd_tls_loglevel: a number, or words of which each gives at least a summary. */
function logLevel(text: string): number {
  const level = Number(text)
  if (Number.isInteger(level)) return level
  return asciiLower(text) === 'none' || text === '' ? 0 : 1
}
