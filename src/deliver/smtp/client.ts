/**
 * One smtp or lmtp service: everything that its delivery requests share.
 */
import { randomInt } from 'node:crypto'
import type { Config } from '#config/config.ts'
import { openResolver, type Resolver } from '#network/dns.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { openSpool, type Spool } from '#queue/spool.ts'
import { openBounceClient } from '#service/bounce-client.ts'
import { openClient } from '#service/conversation.ts'
import { openDelivered, type Delivered } from '#service/delivered.ts'
import { isDeliverReply, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import { openMaps } from '#tables/maps.ts'
import type { Random } from './addresses.ts'
import { ConnectionCache } from './cache.ts'
import { openFilters, type Filters } from './filters.ts'
import { openGeneric, type GenericAddresses } from './generic.ts'
import type { HandshakeTools } from './handshake.ts'
import { LookupMemo } from './lookup-memo.ts'
import { parameterNames } from './parameter-name.ts'
import type { Reporter } from './reporter.ts'
import { openRequireTls, type RequireTlsPolicies } from './require-tls.ts'
import { openSaslClient } from './sasl.ts'
import { readSettings, type Settings } from './settings.ts'
import { openTlsContexts } from './tls.ts'
import { TlsSessions } from './tls-sessions.ts'
import { openTlsPolicies, type TlsPolicies } from './tls-policy.ts'
import type { TransactionOptions } from './transaction.ts'
import { checkUnsupported } from './unsupported.ts'

/** The parts of a service. */
export type SmtpClient = {
  readonly settings: Settings
  readonly spool: Spool
  readonly delivered: Delivered
  readonly lookups: LookupMemo
  readonly cache: ConnectionCache
  readonly tlsPolicies: TlsPolicies
  readonly requireTls: RequireTlsPolicies
  readonly generic: GenericAddresses
  readonly filters: Filters
  readonly handshake: HandshakeTools
  /** Tells postmaster of errors; undefined: nobody wants to know. */
  readonly reporter: Reporter | undefined
  readonly transaction: Pick<TransactionOptions, 'lmtp' | 'skipQuitResponse' | 'pauseSeconds'>
  /** `flags=` of master.cf: D, O, R, X. */
  readonly flags: string
  /** Aborts when the service ends: no connection is kept from then on. */
  readonly stop: AbortSignal
  /** Gives recipients of a request to another transport, `name` or `name:nexthop`. */
  passOn(transport: string, request: DeliverRequest, recipients: readonly EnvelopeRecipient[]): Promise<DeliverReply>
}

/** What a service is started with. */
export type ClientOptions = {
  readonly config: Config
  /** Name in master.cf. */
  readonly service: string
  readonly lmtp: boolean
  readonly flags?: string
  readonly stop: AbortSignal
  /** Default: as config says. */
  readonly spool?: Spool
  /** Replaced in tests. */
  readonly resolver?: Resolver
  readonly delivered?: Delivered
  readonly reporter?: Reporter | undefined
  readonly random?: Random
}

/** Opens a service. @throws When a parameter has a bad value, or a certificate cannot be read. */
export function openSmtpClient(options: ClientOptions): SmtpClient {
  const { config, service, lmtp, flags = '', stop } = options
  checkUnsupported(config, lmtp)
  const settings = readSettings(config, service, lmtp)
  const resolver = options.resolver ?? openResolver({ servers: config.list('posthorn_dns_servers') })
  const tools = { resolver, settings, random: options.random ?? ((limit: number) => randomInt(limit)) }
  const generic = openGeneric(config, lmtp)
  return {
    settings, generic, flags, stop, reporter: options.reporter,
    spool: options.spool ?? openSpool(config),
    delivered: options.delivered ?? openDelivered(config, openBounceClient(config)),
    lookups: new LookupMemo(tools),
    cache: new ConnectionCache(settings.cacheSeconds),
    tlsPolicies: openTlsPolicies(config, lmtp),
    requireTls: openRequireTls(config, lmtp),
    filters: openFilters(config, settings, generic),
    handshake: handshakeTools(config, settings),
    transaction: { lmtp, skipQuitResponse: settings.skipQuitResponse, pauseSeconds: settings.pix.delay },
    passOn,
  }
}

function handshakeTools(config: Config, settings: Settings): HandshakeTools {
  const { lmtp } = settings
  const pick = parameterNames(lmtp)
  const keepsSessions = config.str(pick('tls_session_cache_database')) !== ''
  const discard = lmtp ? 'lmtp_discard_lhlo_keyword_address_maps' : 'smtp_discard_ehlo_keyword_address_maps'
  return {
    settings,
    sasl: openSaslClient(config, lmtp),
    tls: openTlsContexts(config, lmtp),
    tlsSessions: new TlsSessions(keepsSessions ? config.time(pick('tls_session_cache_timeout')) : 0),
    tlsLogLevel: Number(config.str(pick('tls_loglevel'))) || 0,
    noteStartTlsOffer: config.bool(pick('tls_note_starttls_offer')),
    discardMaps: openMaps(discard, config.str(discard), { config }),
    pixMaps: openMaps(pick('pix_workaround_maps'), config.str(pick('pix_workaround_maps')), { config }),
  }
}

async function passOn(
  transport: string, request: DeliverRequest, recipients: readonly EnvelopeRecipient[],
): Promise<DeliverReply> {
  const colon = transport.indexOf(':')
  const name = colon < 0 ? transport : transport.slice(0, colon)
  const nexthop = colon < 0 || colon === transport.length - 1 ? request.nexthop : transport.slice(colon + 1)
  const agent = openClient<DeliverRequest, DeliverReply>(`private/${name}`, isDeliverReply)
  try {
    return await agent.request({ ...request, nexthop, recipients })
  } finally {
    agent.close()
  }
}
