/** nis: maps, which the built-in alias_maps names: see src/tables/nis.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openNis } from '#tables/nis.ts'
import { TableOpenError, type OpenRequest } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'

const REQUEST: OpenRequest = { name: 'mail.aliases', spec: 'nis:mail.aliases', options: { config: configFrom({}) }, open: () => assert.fail() }

test('openNis() is an empty table on a machine without a NIS domain, with one warning', () => {
  using log = captureLog()
  assert.deepEqual(openNis(REQUEST, '').lookup('root'), { kind: 'absent' })
  openNis(REQUEST, '')
  assert.deepEqual(log.texts(), ['warning: dict_nis_init: NIS domain name not set - NIS lookups disabled'])
})

test('openNis() does not guess where there is a domain', () => {
  assert.throws(() => openNis(REQUEST, 'example'), TableOpenError)
})
