/** Where virtual mail goes: see src/deliver/virtual/mailbox.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openMailboxFinder } from '#deliver/virtual/mailbox.ts'
import { captureLog } from '#test/support/log.ts'

const BASE = {
  virtual_mailbox_base: '/var/vmail', virtual_uid_maps: 'static:5000', virtual_gid_maps: 'static:5001', recipient_delimiter: '+',
  myorigin: 'example.org', mydestination: '',
}

function find(address: string, parameters: Record<string, string>) {
  return openMailboxFinder(configFrom({ ...BASE, ...parameters }))(address)
}
const owner = { uid: 5000, gid: 5001 }

test('openMailboxFinder() asks for user+ext@domain, user@domain and @domain, in this order', async () => {
  const tables = ['bob+x@example.net=ext/', 'bob@example.net=bob/', '@example.net=all']
  for (const [i, path] of ['ext/', 'bob/', 'all'].entries()) {
    const virtual_mailbox_maps = `inline:{${tables.slice(i).join(',')}}`
    assert.deepEqual(await find('bob+x@example.net', { virtual_mailbox_maps }), { kind: 'mailbox', path: `/var/vmail/${path}`, owner })
  }
  assert.deepEqual(await find('bob@example.com', { virtual_mailbox_maps: 'inline:{@example.net=all}' }), { kind: 'unknown' })
})

test('openMailboxFinder() keeps mail whose tables fail or whose owner is not usable', async () => {
  using log = captureLog()
  const virtual_mailbox_maps = 'static:box/'
  const cases = [
    [{ virtual_mailbox_maps: 'fail:x' }, 'unavailable'],
    [{ virtual_uid_maps: 'fail:x' }, 'unavailable'],
    [{ virtual_uid_maps: 'static:root' }, 'misconfigured'],
    [{ virtual_uid_maps: 'static:0' }, 'misconfigured'],
    [{ virtual_uid_maps: 'static:99', virtual_minimum_uid: '100' }, 'misconfigured'],
    [{ virtual_gid_maps: 'inline:{x=1}' }, 'misconfigured'],
    [{ virtual_gid_maps: 'static:-1' }, 'misconfigured'],
  ] as const
  for (const [parameters, kind] of cases) {
    assert.equal((await find('bob@example.net', { virtual_mailbox_maps, ...parameters })).kind, kind, JSON.stringify(parameters))
  }
  assert.ok(log.texts().some((text) => text.includes('recipient bob@example.net: not found in virtual_gid_maps')))
})

test('openMailboxFinder() does not let an address choose the path by a pattern', async () => {
  using log = captureLog()
  const answer = await find('bob@example.net', { virtual_mailbox_maps: 'regexp:{ { /^(.*)@example.net$$/ $$1/ } }' })
  assert.notEqual(answer.kind, 'mailbox')
  assert.ok(log.texts().length > 0)
})
