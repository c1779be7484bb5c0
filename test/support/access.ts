/** Sessions for tests of restrictions. */
import { openAccess } from '#access/open.ts'
import type { Access, AccessResult, AccessTools, SessionFacts, Stage } from '#access/types.ts'
import type { Config } from '#config/config.ts'
import { openRouter } from '#rewrite/resolve.ts'
import { openAddressContext } from '#rewrite/address-context.ts'
import { fakeResolver } from '#test/support/dns.ts'
import type { Zone } from '#test/support/dns.ts'
import { siteConfig } from '#test/support/site.ts'

/** A stranger that wants to send to a recipient; with changes. */
export function factsOf(changes: Partial<SessionFacts> = {}): SessionFacts {
  return {
    where: 'RCPT',
    client: {
      name: 'client.example', address: '203.0.113.7', port: '40000', nameAndAddress: 'client.example[203.0.113.7]',
      reverseName: 'client.example', nameStatus: 'ok', reverseNameStatus: 'ok',
    },
    server: { address: '192.0.2.1', port: '25' },
    protocol: 'ESMTP',
    helo: 'helo.example',
    sender: 'sender@client.example',
    recipient: 'user@example.org',
    recipientCount: 0,
    declaredSizeBytes: 0,
    actualSizeBytes: 0,
    instance: '1.2.3',
    smtputf8: false,
    sasl: {},
    illegalPipelining: false,
    proxyFilter: false,
    ...changes,
  }
}

/** Facts of a client with another name and address. */
export function clientOf(name: string, address: string): SessionFacts['client'] {
  const known = name === 'unknown' ? 'permanent' : 'ok'
  return {
    name, address, port: '40000', nameAndAddress: `${name}[${address}]`, reverseName: name, nameStatus: known,
    reverseNameStatus: known,
  }
}

/** The restrictions of a configuration, over a table of names. */
export function accessOf(config: Config, zone: Zone = {}, tools: Partial<AccessTools> = {}): Access {
  const resolver = fakeResolver(zone)
  const router = openRouter(config, openAddressContext(config, resolver))
  return openAccess(config, { resolver, router, sleep: () => Promise.resolve(), ...tools })
}

/** What a check of the small site says; unlisted users are let in unless asked otherwise. */
export async function checkSite(
  values: Readonly<Record<string, string>>,
  changes: Partial<SessionFacts> = {},
  options: { readonly stage?: Stage; readonly zone?: Zone; readonly tools?: Partial<AccessTools> } = {},
): Promise<AccessResult> {
  const access = accessOf(siteConfig({ local_recipient_maps: '', ...values }), options.zone, options.tools)
  const result = await access.check(options.stage ?? 'recipient', factsOf(changes), access.newTransaction())
  access.close()
  return result
}

/** The reply, or `ok`. */
export function replyOf(result: AccessResult): string {
  return result.kind === 'ok' ? 'ok' : result.reply
}

/** The log lines among the effects; warnings with their word. */
export function logOf(result: AccessResult): string[] {
  return result.effects.flatMap((effect) =>
    effect.kind === 'log' ? [effect.level === 'warning' ? `warning: ${effect.text}` : effect.text] : [])
}
