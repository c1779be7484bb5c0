/** A configuration and a router for tests, without network and files. */
import { configFrom } from '#config/load.ts'
import type { Config } from '#config/config.ts'
import { openAddressContext } from '#rewrite/address-context.ts'
import type { AddressContext } from '#rewrite/address-context.ts'
import { openRouter } from '#rewrite/resolve.ts'
import type { Router } from '#rewrite/resolve.ts'
import { fakeResolver } from '#test/support/dns.ts'

const NAMES = {
  compatibility_level: '3.11',
  myhostname: 'mail.example.org',
  mydomain: 'example.org',
  myorigin: 'example.org',
  mydestination: 'mail.example.org, localhost, example.org',
  inet_interfaces: '192.0.2.1',
  mynetworks: '127.0.0.0/8',
}

/** A configuration of a small site, with changes. */
export function siteConfig(values: Readonly<Record<string, string>> = {}): Config {
  return configFrom({ ...NAMES, ...values })
}

/** The address context of that site; names resolve to nothing. */
export function siteContext(values: Readonly<Record<string, string>> = {}): AddressContext {
  return openAddressContext(siteConfig(values), fakeResolver({}))
}

/** The router of that site. */
export function siteRouter(values: Readonly<Record<string, string>> = {}): Router {
  return openRouter(siteConfig(values), siteContext(values))
}
