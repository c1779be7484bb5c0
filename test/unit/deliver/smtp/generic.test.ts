/** smtp_generic_maps: see src/deliver/smtp/generic.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openGeneric } from '#deliver/smtp/generic.ts'
import { captureLog } from '#test/support/log.ts'
import { siteConfig } from '#test/support/site.ts'

const TABLE = 'inline:{bob@example.org=robert@far.example, @local.example=@far.example}'

function map(address: string, classes = ''): Promise<string> {
  const config = siteConfig({ smtp_generic_maps: TABLE, recipient_delimiter: '+', propagate_unmatched_extensions: classes })
  return openGeneric(config, false).map(address)
}

test('openGeneric() maps whole addresses and domains, and extensions when propagate_unmatched_extensions has generic', async () => {
  assert.equal(await map('bob@example.org'), 'robert@far.example')
  assert.equal(await map('x@local.example'), 'x@far.example')
  assert.equal(await map('x@other.example'), 'x@other.example')
  assert.equal(await map(''), '')
  assert.equal(await map('bob+e@example.org'), 'robert@far.example')
  assert.equal(await map('bob+e@example.org', 'canonical, virtual'), 'robert@far.example')
  assert.equal(await map('bob+e@example.org', 'generic'), 'robert+e@far.example')
})

test('openGeneric() has tables of its own for lmtp, and refuses to guess', async () => {
  using _ = captureLog()
  const config = siteConfig({ lmtp_generic_maps: 'fail:x', smtp_generic_maps: TABLE })
  assert.equal(openGeneric(siteConfig(), true).empty, true)
  await assert.rejects(openGeneric(config, true).map('a@b'), /lmtp_generic_maps lookup of a@b/)
})
