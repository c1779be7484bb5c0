/** The driver's parts are loaded before they are out of reach: see src/network/database/mysql-warm-up.ts. */
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import mysql from 'mysql2'
import { warmUp } from '#network/database/mysql-warm-up.ts'

function late(): number {
  const files = Object.keys(createRequire(import.meta.url).cache)
  return files.filter((file) => file.endsWith('iconv-lite/encodings/index.js')).length
}

test('warmUp() goes so far into a login that the driver loads what it had put off', async () => {
  assert.equal(late(), 0)
  await warmUp((options) => mysql.createConnection(options))
  assert.equal(late(), 1)
})
