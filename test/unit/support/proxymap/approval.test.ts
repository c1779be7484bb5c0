/** Which tables proxymap may open: see src/support/proxymap/approval.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { approvedTables } from '#support/proxymap/approval.ts'
import { captureLog } from '#test/support/log.ts'

test('approvedTables() takes words that begin with proxy:, in lists of tables and of restrictions', () => {
  const cases: readonly (readonly [value: string, expected: readonly string[]])[] = [
    ['', []],
    ['hash:/a proxy:hash:/b, proxy:proxy:pcre:/c', ['hash:/b', 'pcre:/c']],
    ['check_client_access proxy:cidr:/a permit { check_sender_access proxy:hash:/b }', ['cidr:/a']],
    ['{ proxy:inline:{a=b} search_order=x } proxy:inline:{ {c = d e} }', ['inline:{a=b}', 'inline:{ {c = d e} }']],
    ['unionmap:{proxy:hash:/a,hash:/b,pipemap:{proxy:hash:/c,proxy:x}} debug:proxy:hash:/d', ['hash:/a', 'hash:/c']],
    ['proxy:plain proxy:unionmap:{proxy:hash:/a}', ['unionmap:{proxy:hash:/a}']],
  ]
  for (const [value, expected] of cases) assert.deepEqual([...approvedTables('proxy_read_maps', value)], expected, value)
})

test('approvedTables() warns about braces that do not match, and ends in lists without end', () => {
  using log = captureLog()
  assert.deepEqual([...approvedTables('proxy_read_maps', '{ proxy:hash:/a }x proxy:hash:/b')], ['hash:/b'])
  assert.match(log.texts().join(), /^warning: bad proxy_read_maps parameter value: syntax error after '}'/)
  assert.equal(approvedTables('proxy_read_maps', `${'unionmap:{'.repeat(1000)}proxy:hash:/a${'}'.repeat(1000)}`).size, 0)
})
