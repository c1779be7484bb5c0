/** Keys of address lookups, and mappings. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { domainKeys, findAddress } from '#rewrite/address-find.ts'
import { mapAddress } from '#rewrite/address-map.ts'
import { expandAliases, mapCanonical } from '#rewrite/canonical.ts'
import { masqueradeDomain, openMasquerade, parseMasqueradeDomains } from '#rewrite/masquerade.ts'
import { Maps, openMaps } from '#tables/maps.ts'
import type { Lookup, Table } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'
import { siteConfig, siteContext } from '#test/support/site.ts'

/** A table that writes down what it is asked for, and knows `values`. */
function spyTable(asked: string[], values: Readonly<Record<string, string>> = {}, pattern = false): Table {
  return {
    name: 'spy:x',
    pattern,
    close: () => undefined,
    lookup(key): Lookup {
      asked.push(key)
      const value = values[key]
      if (value === undefined) return { kind: 'absent' }
      return value === '!' ? { kind: 'error', reason: 'broken' } : { kind: 'found', value }
    },
  }
}

test('findAddress() asks for the whole address first, then for its parts', async () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['user+ext@other.example', ['user+ext@other.example', 'user@other.example', '@other.example']],
    ['user+ext@example.org', ['user+ext@example.org', 'user@example.org', 'user+ext', 'user', '@example.org']],
    ['user@[192.0.2.1]', ['user@[192.0.2.1]', 'user', '@[192.0.2.1]']],
    ['user', ['user']],
    ['a b@other.example', ['"a b"@other.example', 'a b@other.example', '@other.example']],
  ]
  const context = siteContext({ recipient_delimiter: '+' })
  for (const [address, keys] of cases) {
    const asked: string[] = []
    assert.deepEqual(await findAddress(new Maps('x_maps', [spyTable(asked)]), address, context), { kind: 'absent' })
    assert.deepEqual(asked, keys, address)
  }
})

test('findAddress() shows pattern tables the whole address only', async () => {
  const asked: string[] = []
  await findAddress(
    new Maps('x_maps', [spyTable(asked, {}, true)]), 'user+ext@example.org', siteContext({ recipient_delimiter: '+' }),
  )
  assert.deepEqual(asked, ['user+ext@example.org'])
})

test('findAddress() with domains asks for the domain, its parents, and user@', async () => {
  const asked: string[] = []
  const strategy = { kind: 'domains', plainParents: true, users: true } as const
  await findAddress(
    new Maps('x', [spyTable(asked)]), 'u+e@a.b.c', siteContext({ recipient_delimiter: '+' }), { strategy },
  )
  assert.deepEqual(asked, ['u+e@a.b.c', 'u@a.b.c', 'a.b.c', 'b.c', 'c', 'u+e@', 'u@'])
  assert.deepEqual(domainKeys('a.b.c', false), ['a.b.c', '.b.c', '.c'])
  assert.deepEqual(domainKeys('', true), [])
})

test('findAddress() stops at an error', async () => {
  using _ = captureLog()
  const maps = new Maps('x', [spyTable([], { 'user@example.org': '!' })])
  assert.equal((await findAddress(maps, 'user@example.org', siteContext())).kind, 'error')
})

test('findAddress() tells the extension that the key lacked', async () => {
  const maps = new Maps('x', [spyTable([], { 'user@other.example': 'v' })])
  const context = siteContext({ recipient_delimiter: '+' })
  const found = await findAddress(maps, 'user+ext@other.example', context)
  assert.ok(found.kind === 'found' && found.extension === '+ext')
  const exact = await findAddress(maps, 'user@other.example', context)
  assert.ok(exact.kind === 'found' && exact.extension === undefined)
})

const maps = (values: string): Maps => openMaps('virtual_alias_maps', `inline:{ ${values} }`, { config: siteConfig() })

test('mapAddress() completes results, keeps the local part for @domain, and propagates extensions', async () => {
  const context = siteContext({ recipient_delimiter: '+' })
  const cases: readonly (readonly [string, string, boolean, readonly string[]])[] = [
    ['a@x=b', 'a@x', true, ['b@example.org']],
    ['{a@x=b, c@y}', 'a@x', true, ['b@example.org', 'c@y']],
    ['a@x=b@y', 'a+e@x', true, ['b+e@y']],
    ['a@x=b@y', 'a+e@x', false, ['b@y']],
    ['{@x=@y}', 'a+e@x', true, ['a+e@y']],
    ['a@x=@y', 'a+e@x', true, ['a+e@y']],
    ['a@x=@y', 'a+e@x', false, ['a@y']],
    ['{a@x="b b"@y}', 'a@x', true, ['b b@y']],
    ['{a@x=<>}', 'a@x', true, ['']],
  ]
  for (const [values, address, propagate, expected] of cases) {
    const result = await mapAddress(maps(values), address, context, { propagate })
    assert.deepEqual(result, { kind: 'found', addresses: expected }, values)
  }
})

test('mapAddress() fails on a result that holds no address', async () => {
  using log = captureLog()
  const result = await mapAddress(maps('{a@x=group:;}'), 'a@x', siteContext(), { propagate: false })
  assert.equal(result.kind, 'error')
  assert.deepEqual(log.texts(), ['warning: virtual_alias_maps lookup of a@x returns non-address result "group:;"'])
})

test('mapCanonical() repeats until an address maps to itself, ten times at most', async () => {
  const warnings: string[] = []
  const options = { propagate: false, warn: (text: string) => warnings.push(text) }
  const context = siteContext()
  assert.deepEqual(
    await mapCanonical(maps('a@x=b@x, b@x=c@x, c@x=C@x'), 'a@x', context, options), { address: 'C@x', failed: false },
  )
  assert.deepEqual(warnings, [])
  await mapCanonical(maps('a@x=b@x, b@x=a@x'), 'a@x', context, options)
  await mapCanonical(maps('{a@x=b@x, c@x}'), 'a@x', context, options)
  assert.deepEqual(warnings, [
    'unreasonable virtual_alias_maps map nesting for a@x -- message not accepted, try again later',
    'multi-valued virtual_alias_maps entry for a@x',
  ])
  assert.deepEqual(await mapCanonical(maps('a@x=b'), '', context, options), { address: '', failed: false })
})

const LIMITS = { resultsMax: 1000, levelsMax: 1000, addressOctetsMax: 1000 }

test('expandAliases() expands all the way, and keeps an address that maps to itself', async () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    ['{a@x=b@x, c@x} {b@x=d@x, e@x}', ['d@x', 'c@x', 'e@x']],
    ['{a@x=a@x, b@x}', ['a@x', 'b@x']],
    ['{a@x=b@x, A@x}', ['b@x', 'A@x']],
    ['other=x', ['a@x']],
  ]
  for (const [values, expected] of cases) {
    const result = await expandAliases(
      maps(values), 'a@x', siteContext(), LIMITS, { propagate: false, warn: assert.fail },
    )
    assert.deepEqual(result, { kind: 'ok', addresses: expected }, values)
  }
})

test('expandAliases() refuses loops, masses and monsters', async () => {
  const warnings: string[] = []
  const options = { propagate: false, warn: (text: string) => warnings.push(text) }
  const expand = (values: string, limits: Partial<typeof LIMITS>): Promise<unknown> =>
    expandAliases(maps(values), 'a@x', siteContext(), { ...LIMITS, ...limits }, options)
  assert.deepEqual(await expand('a@x=b@x, b@x=a@x', { levelsMax: 10 }), { kind: 'limit' })
  assert.deepEqual(await expand('{a@x=b@x, c@x, d@x}', { resultsMax: 2 }), { kind: 'limit' })
  assert.deepEqual(await expand(`a@x=${'y'.repeat(50)}@x`, { addressOctetsMax: 20 }), { kind: 'limit' })
  assert.deepEqual(warnings.map((text) => text.split(' ').slice(0, 4).join(' ')), [
    'unreasonable virtual_alias_maps map nesting', 'unreasonable virtual_alias_maps map expansion',
    `unreasonable virtual_alias_maps result ${'y'.repeat(50)}@x...`,
  ])
})

test('masqueradeDomain() takes the first item that fits', () => {
  const domains = parseMasqueradeDomains(['!keep.example.com', 'Example.com', 'com'])
  const cases = [
    ['host.example.com', 'example.com'], ['example.com', 'example.com'], ['a.keep.example.com', 'a.keep.example.com'],
    ['keep.example.com', 'keep.example.com'], ['x.com', 'com'], ['notexample.org', 'notexample.org'],
  ] as const
  for (const [domain, expected] of cases) assert.equal(masqueradeDomain(domains, domain), expected, domain)
})

test('openMasquerade() leaves excepted users alone', async () => {
  const masquerade = openMasquerade(siteConfig({ masquerade_domains: 'example.com', masquerade_exceptions: 'root' }))
  assert.deepEqual(await masquerade.apply('Root@h.example.com'), { kind: 'ok', address: 'Root@h.example.com' })
  assert.deepEqual(await masquerade.apply('user@h.example.com'), { kind: 'ok', address: 'user@example.com' })
  assert.deepEqual(await masquerade.apply('user'), { kind: 'ok', address: 'user' })
})
