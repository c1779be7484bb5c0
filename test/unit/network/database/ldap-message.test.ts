/** Messages of LDAP: see src/network/database/ldap-message.ts and ber.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BerError, element, integer } from '#network/database/ber.ts'
import { encodeFilter } from '#network/database/ldap-filter.ts'
import { bindRequest, searchRequest, startTlsRequest, takeReply, unbindRequest } from '#network/database/ldap-message.ts'

const octets = (text: string): Buffer => element(0x04, Buffer.from(text))
const message = (id: number, operation: Uint8Array): Buffer => element(0x30, integer(id), operation)

test('requests have the bytes of the standard [RFC 4511 §4.2, §4.3, §4.5.1, §4.14.1]', () => {
  assert.equal(bindRequest(1, 3, '', '').toString('hex'), '300c020101600702010304008000')
  assert.equal(unbindRequest(2).toString('hex'), '30050201024200')
  assert.equal(startTlsRequest(1).toString('hex'), `301d02010177188016${Buffer.from('1.3.6.1.4.1.1466.20037').toString('hex')}`)
  const search = { base: 'dc=x', scope: 2, filter: encodeFilter('a=b'), attributes: ['mail'], dereference: 0, sizeLimit: 200, timeLimit: 10 } as const
  assert.equal(searchRequest(128, search).toString('hex'),
    '302c020200806326040464633d780a01020a0100020200c802010a010100a306040161040162300604046d61696c')
})

test('takeReply() reads entries, references, results and their referrals', () => {
  const attributes = element(0x30, element(0x30, octets('mail'), element(0x31, octets('a@x'), octets('b@x'))), element(0x30, octets('cn'), element(0x31)))
  const entry = message(2, element(0x64, octets('cn=a'), attributes))
  assert.deepEqual(takeReply(Buffer.concat([entry, Buffer.from('30')])), {
    length: entry.length,
    reply: { kind: 'entry', id: 2, entry: { dn: 'cn=a', attributes: [{ name: 'mail', values: ['a@x', 'b@x'] }, { name: 'cn', values: [] }] } },
  })
  const done = message(70_000, element(0x65, integer(10, 0x0a), octets(''), octets('text'), element(0xa3, octets('ldap://h'))))
  assert.deepEqual(takeReply(done)?.reply, { kind: 'result', id: 70_000, result: { status: 10, text: 'text', referrals: ['ldap://h'] } })
  assert.deepEqual(takeReply(message(3, element(0x73, octets('ldap://a'), octets('ldap://b'))))?.reply, { kind: 'reference', id: 3, urls: ['ldap://a', 'ldap://b'] })
  assert.deepEqual(takeReply(message(4, element(0x79)))?.reply, { kind: 'other', id: 4 })
})

test('takeReply() waits for the rest of a message, of any length within the limit', () => {
  const long = message(2, element(0x64, octets('x'.repeat(70_000)), element(0x30)))
  for (const end of [0, 1, 2, 4, 5, 1000, long.length - 1]) assert.equal(takeReply(long.subarray(0, end)), undefined)
  assert.equal(takeReply(long)?.length, long.length)
})

test('takeReply() refuses what is malformed, and what is too long at its head', () => {
  const cases = ['485454502f', '3080', '308500000001', '3084ffffffff', '300302010264', '3005020102650a', '30080201026403040178', '300b0201026406040030020484']
  for (const bytes of cases) assert.throws(() => takeReply(Buffer.from(bytes, 'hex')), BerError, bytes)
})
