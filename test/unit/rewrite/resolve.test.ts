/** Resolving: classes, routes, and what goes wrong. The fine points are compared with Postfix in test/interop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openRouter } from '#rewrite/resolve.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { captureLog } from '#test/support/log.ts'
import { siteConfig, siteContext, siteRouter } from '#test/support/site.ts'

const CLASSES = {
  virtual_alias_domains: 'alias.example', virtual_mailbox_domains: 'virtual.example', relay_domains: 'relay.example',
}

function brief({ transport, nexthop, class: domainClass, problem }: Resolved): string {
  return problem ?? `${transport}:${nexthop} ${domainClass}`
}

test('resolve() gives each class its transport and next hop', async () => {
  const router = siteRouter(CLASSES)
  const cases = [
    ['user', 'local:mail.example.org local'],
    ['user@EXAMPLE.org', 'local:mail.example.org local'],
    ['user@[192.0.2.1]', 'local:mail.example.org local'],
    ['x@alias.example', 'error:5.1.1 User unknown in virtual alias table alias'],
    ['x@virtual.example', 'virtual:virtual.example virtual'],
    ['x@sub.relay.example', 'relay:sub.relay.example relay'],
    ['x@other.example', 'smtp:other.example default'],
    ['x@b..c', 'error'],
    ['-x@other.example', 'error'],
  ] as const
  for (const [address, expected] of cases) assert.equal(brief(await router.resolve('', address)), expected, address)
})

test('resolve() marks what other systems could take for a route', async () => {
  const router = siteRouter({ allow_percent_hack: 'no', swap_bangpath: 'no', resolve_dequoted_address: 'no' })
  for (const address of ['a%b@other.example', 'a!b@other.example', 'a@b@other.example']) {
    assert.equal((await router.resolve('', address)).routed, true, address)
  }
  assert.equal((await router.resolve('', 'a+b@other.example')).routed, false)
})

test('resolve() fails, rather than guesses, when a table cannot be read', async () => {
  using log = captureLog()
  const names = [
    'mydestination', 'virtual_alias_domains', 'virtual_mailbox_domains', 'relay_domains', 'transport_maps',
    'relocated_maps', 'sender_dependent_relayhost_maps', 'sender_dependent_default_transport_maps',
  ]
  for (const name of names) {
    const router = siteRouter({ [name]: 'fail:broken' })
    const resolved = await router.resolve('s@sender.example', 'x@other.example')
    assert.equal(resolved.problem, 'fail', name)
  }
  assert.ok(log.texts().some((text) => text === 'warning: relay_domains lookup failure'))
})

test('resolve() warns of a domain in two classes', async () => {
  using log = captureLog()
  const router = siteRouter({ ...CLASSES, relay_domains: 'alias.example' })
  await router.resolve('', 'x@alias.example')
  assert.deepEqual(
    log.texts(), ['warning: do not list domain alias.example in BOTH virtual_alias_domains and relay_domains'],
  )
})

test('resolve() uses the parameters of address probes for probes', async () => {
  const values = { address_verify_relayhost: '[probe]', address_verify_default_transport: 'slow' }
  const router = openRouter(siteConfig(values), siteContext(values), 'verify')
  assert.equal(brief(await router.resolve('', 'x@other.example')), 'slow:[probe] default')
})

test('resolve() asks transport_maps for user+ext@domain, user@domain, domain, .domain and *, in this order', async () => {
  const tables = ['bob+x@a.b.example=smtp:1', 'bob@a.b.example=smtp:2', 'a.b.example=smtp:3', '.b.example=smtp:4', '.example=smtp:5', '*=smtp:6']
  for (const [i, table] of tables.entries()) {
    const router = siteRouter({
      transport_maps: `inline:{${tables.slice(i).join(',')}}`, recipient_delimiter: '+', parent_domain_matches_subdomains: '',
    })
    assert.equal(brief(await router.resolve('', 'bob+x@a.b.example')), `smtp:${i + 1} default`, table)
  }
})

test('resolve() sends by the * of transport_maps also mail of other classes, and the null address not', async () => {
  const router = siteRouter({ ...CLASSES, transport_maps: 'inline:{*=slow:, example.org=:}' })
  assert.equal(brief(await router.resolve('', 'x@other.example')), 'slow:other.example default')
  assert.equal(brief(await router.resolve('', 'x@virtual.example')), 'slow:virtual.example virtual')
  assert.equal(brief(await router.resolve('', 'user@example.org')), 'local:mail.example.org local')
})

test('resolve() takes addresses of proxy_interfaces for this system, as those of inet_interfaces', async () => {
  const router = siteRouter({ proxy_interfaces: '198.51.100.7' })
  assert.equal(brief(await router.resolve('', 'x@[198.51.100.7]')), 'local:mail.example.org local')
  assert.equal(brief(await router.resolve('', 'x@[192.0.2.1]')), 'local:mail.example.org local')
  assert.equal(brief(await router.resolve('', 'x@[198.51.100.8]')), 'smtp:[198.51.100.8] default')
})
