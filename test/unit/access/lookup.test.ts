/** Keys of access tables, and small pure parts: statuses, address patterns, templates, DNS lists. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { askAboutAddress, askAboutDomain, parseListName } from '#access/dns-list.ts'
import { matchesPattern, parseAddressPattern } from '#access/dns-list-pattern.ts'
import { expandTemplate } from '#access/expand.ts'
import { parseTableArgument } from '#access/lists.ts'
import { networkKeys } from '#access/lookup.ts'
import { fitStatus } from '#access/status-class.ts'
import { checkSite, clientOf, factsOf, logOf, replyOf } from '#test/support/access.ts'
import { captureLog } from '#test/support/log.ts'
import { fakeResolver } from '#test/support/dns.ts'

test('networkKeys() cuts addresses at their separators', () => {
  assert.deepEqual(networkKeys('192.0.2.7'), ['192.0.2.7', '192.0.2', '192.0', '192'])
  assert.deepEqual(networkKeys('2001:db8::1'), ['2001:db8::1', '2001:db8:', '2001:db8', '2001'])
})

test('fitStatus() keeps statements about addresses to addresses [RFC 3463 §3.2]', () => {
  assert.deepEqual(fitStatus('5.7.1', 'Sender address'), { status: '5.7.1' })
  assert.deepEqual(fitStatus('5.1.1', 'Recipient address'), { status: '4.1.1' })
  assert.deepEqual(fitStatus('5.1.1', 'Sender address'), {
    status: '4.1.7', note: 'mapping DSN status 5.1.1 into Sender address status 5.1.7',
  })
  assert.equal(fitStatus('5.1.1', 'Helo command').status, '4.0.0')
  assert.equal(fitStatus('5.1.10', 'Recipient address').status, '4.1.0')
})

test('parseAddressPattern() reads numbers and lists of ranges', () => {
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['127.0.0.2', '127.0.0.2', true], ['127.0.0.2', '127.0.0.3', false], ['127.0.0.[2..4]', '127.0.0.4', true],
    ['127.0.[1;3].[4..8;10]', '127.0.3.10', true], ['127.0.[1;3].[4..8;10]', '127.0.2.10', false],
    ['[127.0.0.2]', '127.0.0.2', true],
  ]
  for (const [pattern, address, expected] of cases) {
    const parsed = parseAddressPattern(pattern)
    assert.ok(parsed.kind === 'ok', pattern)
    assert.equal(matchesPattern(parsed.fields, address), expected, `${pattern} ${address}`)
  }
  for (const bad of ['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.[4', '1.2.3.[5..4]', '1.2.3.[]', 'a.b.c.d']) {
    assert.equal(parseAddressPattern(bad).kind, 'error', bad)
  }
})

test('DNS lists are asked with the address turned round [RFC 5782 §2.1, §2.4]', async () => {
  const resolver = fakeResolver({
    '4.3.2.1.bl.example': { a: ['127.0.0.2'] },
    'x.example.bl.example': { a: ['127.0.0.5'], txt: ['a'.repeat(600)] },
    'down.bl.example': { fail: 'SERVFAIL' },
  })
  assert.deepEqual(parseListName('bl.example=127.0.0.2'), { domain: 'bl.example', pattern: '127.0.0.2' })
  assert.equal((await askAboutAddress(resolver, 'bl.example', '1.2.3.4')).kind, 'listed')
  assert.equal((await askAboutAddress(resolver, 'bl.example', '2001:db8::1')).kind, 'unlisted')
  assert.equal((await askAboutAddress(resolver, 'bl.example=1.2', '1.2.3.4')).kind, 'malformed')
  const listed = await askAboutDomain(resolver, 'bl.example', 'u@x.example')
  assert.equal(listed.kind === 'listed' ? listed.text.length : 0, 500)
  assert.equal((await askAboutDomain(resolver, 'bl.example', 'down')).kind, 'unknown')
  for (const name of ['', 'x@', '1.2.3.4', 'x@[1.2.3.4]', 'a..b']) {
    assert.equal((await askAboutDomain(resolver, 'bl.example', name)).kind, 'unlisted')
  }
})

const ALLOWED = 'abcdefghijklmnopqrstuvwxyz.@[]<>0123456789 '

const expand = (template: string): ReturnType<typeof expandTemplate> =>
  expandTemplate(template, factsOf({ sender: '' }), { rbl_reason: '', server_name: 'mail' }, ALLOWED)

test('expandTemplate() knows the session and nothing of the configuration', () => {
  const cases = [
    ['$client_name $client_address', 'client.example 203.0.113.7'], ['$sender $sender_name/$sender_domain', '<> <>/'],
    ['$recipient_name at $recipient_domain', 'user at example.org'], ['${rbl_reason?; $rbl_reason}x', 'x'],
    ['$server_name', 'mail'],
    ['$client', 'client.example[203.0.113.7]'],
  ] as const
  for (const [template, text] of cases) assert.deepEqual(expand(template), { kind: 'ok', text }, template)
  assert.deepEqual(
    expand('$myhostname'), { kind: 'error', warnings: ['unknown macro name "myhostname" in expansion request'] },
  )
  assert.deepEqual(expandTemplate('$helo_name', factsOf({ helo: 'a"b' }), {}, 'ab'), { kind: 'ok', text: 'a_b' })
})

test('rbl_reply_maps replaces the reply; a bad template falls back to the default', async () => {
  using _ = captureLog()
  const zone = { '7.113.0.203.bl.example': { a: ['127.0.0.2'] } }
  const plain = {
    smtpd_client_restrictions: 'reject_rbl_client bl.example=127.0.0.2',
    rbl_reply_maps: 'static:{550 5.7.8 $$rbl_class $$rbl_what is bad in $$rbl_domain}',
  }
  assert.equal(replyOf(await checkSite(plain, {}, { zone })), '550 5.7.8 Client host 203.0.113.7 is bad in bl.example')
  const bad = await checkSite({ ...plain, rbl_reply_maps: 'static:{550 $$nothing}' }, {}, { zone })
  assert.equal(replyOf(bad), '554 5.7.1 Service unavailable; Client host [203.0.113.7] blocked using bl.example')
  assert.equal(
    replyOf(await checkSite({ ...plain, rbl_reply_maps: 'static:hello' }, {}, { zone })),
    '450 4.7.1 Service unavailable',
  )
})

test('parseTableArgument() reads a table and its search order', () => {
  assert.deepEqual(parseTableArgument('hash:/x'), { spec: 'hash:/x', searchOrder: undefined })
  assert.deepEqual(parseTableArgument('{ hash:/x, { search_order = cert_fingerprint, pubkey_fingerprint } }'),
    { spec: 'hash:/x', searchOrder: ['cert_fingerprint', 'pubkey_fingerprint'] })
  const wrong = [
    '{ hash:/x', '{ }', '{ hash }', '{ hash:/x foo }', '{ hash:/x foo=bar }', '{ hash:/x { search_order = bad } }',
  ]
  for (const bad of wrong) {
    assert.ok('warnings' in parseTableArgument(bad), bad)
  }
})

const table = (key: string, action = 'REJECT bad server'): string => `inline:{ {${key}=${action}} }`

test('check_*_mx_access, _ns_access and _a_access look at servers, and permit nothing', async () => {
  using _ = captureLog()
  const zone = {
    'dom.example': { mx: [[10, 'mx.dom.example']], a: ['198.51.100.1'] }, 'mx.dom.example': { a: ['198.51.100.2'] },
    'example': { ns: ['ns.top.example'] }, 'ns.top.example': { a: ['198.51.100.3'] }, 'null.example': { mx: [[0, '']] },
    'sub.dom.example': { a: ['198.51.100.4'] },
  } as const
  const cases: readonly (readonly [string, string, string])[] = [
    [`check_sender_mx_access ${table('mx.dom.example')}`, 'x@dom.example', '554'],
    [`check_sender_mx_access ${table('198.51.100.2')}`, 'x@dom.example', '554'],
    [`check_sender_mx_access ${table('198.51.100')}`, 'x@dom.example', '554'],
    [`check_sender_mx_access ${table('sub.dom.example')}`, 'x@sub.dom.example', '554'],
    [`check_sender_mx_access ${table('198.51.100')}`, 'x@null.example', 'ok'],
    [`check_sender_mx_access ${table('198.51.100')}`, 'x@nowhere.test', 'ok'],
    [`check_sender_mx_access ${table('198.51.100')}`, 'x@[198.51.100.9]', '554'],
    [`check_sender_ns_access ${table('198.51.100')}`, 'x@[198.51.100.9]', 'ok'],
    [`check_sender_ns_access ${table('ns.top.example')}`, 'x@dom.example', '554'],
    [`check_sender_a_access ${table('198.51.100.1')}`, 'x@dom.example', '554'],
    [`check_sender_a_access ${table('dom.example')}`, 'x@dom.example', 'ok'],
    [`check_sender_mx_access ${table('mx.dom.example', 'OK')}`, 'x@dom.example', '451'],
    [`check_sender_mx_access ${table('mx.dom.example', 'DUNNO')}`, 'x@dom.example', 'ok'],
  ]
  for (const [list, sender, code] of cases) {
    const result = await checkSite({ smtpd_sender_restrictions: list }, { sender }, { zone })
    assert.equal(replyOf(result).split(' ')[0], code, `${list} ${sender}`)
  }
  const unknown = await checkSite(
    { smtpd_client_restrictions: `check_client_mx_access ${table('x')}` }, { client: clientOf('unknown', '192.0.2.9') },
  )
  assert.deepEqual(logOf(unknown), [])
})

test('check_helo_ and check_recipient_ _mx_, _ns_ and _a_access look at the servers of their own names', async () => {
  using _ = captureLog()
  const zone = {
    'helo.example': { mx: [[10, 'mx.helo.example']], a: ['198.51.100.1'], ns: ['ns.helo.example'] },
    'mx.helo.example': { a: ['198.51.100.2'] }, 'ns.helo.example': { a: ['198.51.100.3'] },
    'dom.example': { mx: [[10, 'mx.dom.example']], a: ['198.51.100.5'], ns: ['ns.dom.example'] },
    'mx.dom.example': { a: ['198.51.100.6'] }, 'ns.dom.example': { a: ['198.51.100.7'] },
  } as const
  const cases = [['helo', '1', '2', '3'], ['recipient', '5', '6', '7']] as const
  for (const [about, a, mx, ns] of cases) {
    for (const [kind, octet] of [['a', a], ['mx', mx], ['ns', ns]] as const) {
      for (const key of [`198.51.100.${octet}`, '198.51.100.9']) {
        const values = { [`smtpd_${about}_restrictions`]: `check_${about}_${kind}_access ${table(key)}`, relay_domains: 'dom.example' }
        const result = await checkSite(values, { helo: 'helo.example', recipient: 'x@dom.example' }, { zone })
        const expected = key.endsWith('.9') ? 'ok' : '554'
        assert.equal(replyOf(result).split(' ')[0], expected, `check_${about}_${kind}_access ${key}`)
      }
    }
  }
})
