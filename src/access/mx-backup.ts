/**
 * permit_mx_backup: relay for domains that name this system as a backup mail exchanger.
 *
 * Trouble with the DNS turns a later rejection into a deferral: the mail may be ours to take.
 *
 * Source: postconf(5), permit_mx_backup, permit_mx_backup_networks.
 */
import { isIPv6 } from 'node:net'
import { domainOf } from '#mail/address.ts'
import type { Mx } from '#network/dns.ts'
import { asciiDomain } from '#rewrite/mail-domain.ts'
import { dnsWords } from './dns-words.ts'
import type { Evaluation, Status } from './evaluation.ts'
import { destinationOf } from './relay.ts'
import { REPLY_CLASS } from './status-class.ts'

/** Permits mail for `recipient` when the DNS says that we are a backup, and not the primary. */
export async function permitMxBackup(evaluation: Evaluation, recipient: string): Promise<Status> {
  const destination = await destinationOf(evaluation, recipient)
  if (destination === 'retry') return evaluation.retryLater(recipient)
  if (destination === 'authorized') return 'ok'
  const resolved = await evaluation.resolve(evaluation.facts.sender, recipient)
  if (resolved.routed && !evaluation.settings.allowUntrustedRouting) return 'dunno'
  const domain = domainOf(resolved.recipient) ?? ''
  if (resolved.problem !== undefined || domain.startsWith('[')) return 'dunno'
  return new MxBackup(evaluation, recipient).check(asciiDomain(domain) ?? domain)
}

/** One check, with the recipient for the texts. */
class MxBackup {
  readonly #evaluation: Evaluation
  readonly #recipient: string

  constructor(evaluation: Evaluation, recipient: string) {
    this.#evaluation = evaluation
    this.#recipient = recipient
  }

  async check(domain: string): Promise<Status> {
    const answer = await this.#evaluation.tools.resolver.mx(domain)
    if (answer.kind === 'retry') this.#uncertain(`Unable to look up mail exchanger information: ${dnsWords(answer)}`)
    if (answer.kind !== 'ok') return 'dunno'
    const best = Math.min(...answer.records.map((mx) => mx.preference))
    const primaries = answer.records.filter((mx) => mx.preference === best)
    const backups = answer.records.filter((mx) => mx.preference !== best)
    if (await this.#isAmong(primaries)) return 'dunno'
    if (!(await this.#isAmong(backups))) return 'dunno'
    const { permitMxBackupNetworks } = this.#evaluation.tables
    if (!permitMxBackupNetworks.empty && !(await this.#allListed(primaries))) return 'dunno'
    return 'ok'
  }

  /** Names are compared first; only then are addresses looked up. */
  async #isAmong(exchangers: readonly Mx[]): Promise<boolean> {
    const { router } = this.#evaluation.tools
    for (const { host } of exchangers) if ((await router.isLocalDomain(host)) === true) return true
    for (const { host } of exchangers) if (await this.#hasOurAddress(host)) return true
    return false
  }

  async #hasOurAddress(host: string): Promise<boolean> {
    const { resolver, router } = this.#evaluation.tools
    const answer = await resolver.native(host, 0)
    if (answer.kind !== 'ok') {
      this.#uncertain(`Unable to look up mail exchanger host ${host}: ${dnsWords(answer)}`)
      return false
    }
    for (const address of answer.records) if (await router.context.ownAddresses.isOurs(address)) return true
    return false
  }

  async #allListed(exchangers: readonly Mx[]): Promise<boolean> {
    for (const { host } of exchangers) if (!(await this.#isListed(host))) return false
    return true
  }

  /** Whether all addresses of a host are in permit_mx_backup_networks. */
  async #isListed(host: string): Promise<boolean> {
    const { settings, tools, tables } = this.#evaluation
    const answers = await Promise.all([
      ...(settings.ipv4 ? [tools.resolver.a(host)] : []),
      ...(settings.ipv6 ? [tools.resolver.aaaa(host)] : []),
    ])
    const addresses = answers.flatMap((answer) => (answer.kind === 'ok' ? answer.records : []))
    const failed = answers.find((answer) => answer.kind !== 'ok')
    if (addresses.length === 0 && failed !== undefined) {
      this.#uncertain(`Unable to look up host ${host} as mail exchanger: ${dnsWords(failed)}`)
      return false
    }
    for (const address of addresses.toSorted((a, b) => Number(isIPv6(a)) - Number(isIPv6(b)))) {
      const listed = await tables.permitMxBackupNetworks.match(host, address)
      if (listed === 'error') {
        this.#evaluation.warning(
          `all_auth_mx_addr: permit_mx_backup_networks lookup error for address ${address} for ${host}`,
        )
        this.#uncertain(`Unable to verify host ${host} as mail exchanger`)
      }
      if (listed !== true) return false
    }
    return true
  }

  #uncertain(text: string): void {
    this.#evaluation.deferWhenRejected({
      errorClass: 'policy',
      code: 450,
      status: '4.4.4',
      text: `<${this.#recipient}>: ${REPLY_CLASS.recipient} rejected: ${text}`,
    })
  }
}
