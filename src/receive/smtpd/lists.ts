/**
 * Lists of clients and commands that are treated in a special way.
 *
 * Source: postconf(5) smtpd_authorized_xclient_hosts and kin.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import type { ParameterName } from '#config/parameters/table.ts'
import { openMatchList, type MatchList } from '#tables/match-list.ts'
import { isPromise, whenReady, type MaybePromise } from '#util/maybe.ts'
import type { Client, ClientList, CommandList } from './ports.ts'

const CLIENT_LISTS: Readonly<Record<ClientList, ParameterName>> = {
  xclient: 'smtpd_authorized_xclient_hosts',
  xforward: 'smtpd_authorized_xforward_hosts',
  verp: 'smtpd_authorized_verp_clients',
  sasl_exceptions: 'smtpd_sasl_exceptions_networks',
  bare_newline_exclusions: 'smtpd_forbid_bare_newline_exclusions',
  event_exceptions: 'smtpd_client_event_limit_exceptions',
}

const COMMAND_LISTS: Readonly<Record<CommandList, ParameterName>> = {
  noop: 'smtpd_noop_commands',
  forbidden: 'smtpd_forbidden_commands',
}

/** The lists of a configuration. A list that cannot be read matches nobody: that is the safe side for each of them. */
export type Lists = {
  clientListed(list: ClientList, client: Readonly<Client>): MaybePromise<boolean>
  commandListed(list: CommandList, word: string): MaybePromise<boolean>
  /** Clients whose events are not limited. */
  isUnlimited(client: Readonly<Client>): MaybePromise<boolean>
}

function decided(result: boolean | 'error'): boolean {
  return result === true
}

function ask(list: MatchList | undefined, value: string, address?: string): MaybePromise<boolean> {
  return list === undefined || list.empty ? false : whenReady(list.match(value, address), decided)
}

/** Opens all lists. */
export function openLists(config: Config): Lists {
  const open = (name: ParameterName, mode: 'host' | 'string'): MatchList => {
    return openMatchList(name, config.str(name), mode, { config })
  }
  const clients = new Map(Object.entries(CLIENT_LISTS).map(([list, name]) => [list, open(name, 'host')]))
  const commands = new Map(Object.entries(COMMAND_LISTS).map(([list, name]) => [list, open(name, 'string')]))
  const clientListed: Lists['clientListed'] = (list, client) => ask(clients.get(list), client.name, client.address)
  return {
    clientListed,
    commandListed: (list, word) => ask(commands.get(list), word),
    isUnlimited: (client) => {
      const proxy = clientListed('xclient', client)
      const exempt = (trusted: boolean): MaybePromise<boolean> => trusted || clientListed('event_exceptions', client)
      return isPromise(proxy) ? proxy.then(exempt) : exempt(proxy)
    },
  }
}
