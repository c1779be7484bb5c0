/** Replies of mail servers, as src/deliver/smtp reads them: any bytes give a verdict, none throws. */
import assert from 'node:assert/strict'
import { parseCapabilities, parseDiscard } from '#deliver/smtp/capabilities.ts'
import { isSoft, parseServerReply, refused } from '#deliver/smtp/failure.ts'
import { decodeRaw } from '#util/raw-text.ts'

const DISCARD = parseDiscard('')

/** Takes `bytes` for the lines of one reply. */
export function target(bytes: Uint8Array): void {
  const raw = decodeRaw(bytes)
  const reply = parseServerReply(raw)
  assert.match(reply.dsn, /^[245]\.\d{1,3}\.\d{1,3}$/)
  const failure = refused('mx.example', 'mx.example[192.0.2.1]', reply, 'mail')
  assert.ok(isSoft(failure) || failure.dsn.startsWith('5'))
  assert.ok(!failure.reason.includes('\n'))
  parseCapabilities(raw, DISCARD)
}
