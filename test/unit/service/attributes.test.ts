/** Postfix's attribute lists: see src/service/attributes.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { attribute, AttributeDecoder, AttributeError, attributeNumber, encodeAttributes, firstList } from '#service/attributes.ts'
import { target } from '#test/fuzz/attributes.ts'

const name = fc.string({ minLength: 1, maxLength: 10 }).filter((text) => !text.includes('\0'))
const value = fc.string({ maxLength: 20 }).filter((text) => !text.includes('\0'))

test('encodeAttributes() writes what Postfix reads: the greeting of cleanup', () => {
  const bytes = encodeAttributes([['protocol', 'cleanup_protocol'], ['queue_id', '90E7F2544D2']])
  assert.equal(bytes.toString('latin1'), 'protocol\0cleanup_protocol\0queue_id\x0090E7F2544D2\0\0')
  assert.equal(encodeAttributes([['status', -1]]).toString('latin1'), 'status\x004294967295\0\0')
  assert.equal(encodeAttributes([['a', 'b']], true).toString('latin1'), 'a\0b\0')
  assert.equal(encodeAttributes([]).toString('latin1'), '\0')
})

test('AttributeDecoder gives back the lists, however the bytes are cut; names repeat and values may be empty', () => {
  fc.assert(fc.property(fc.array(fc.array(fc.tuple(name, value), { maxLength: 5 }), { maxLength: 5 }), fc.integer({ min: 1, max: 20 }), (lists, size) => {
    const bytes = Buffer.concat(lists.map((list) => encodeAttributes(list)))
    const decoder = new AttributeDecoder()
    const got: [string, string][][] = []
    for (let i = 0; i < bytes.length; i += size) got.push(...decoder.push(bytes.subarray(i, i + size)))
    assert.deepEqual(got, lists)
    assert.equal(decoder.partial, false)
  }), { seed: 1 })
})

test('AttributeDecoder keeps bytes that are no UTF-8', () => {
  const [list] = new AttributeDecoder().push(Buffer.from('sender\0a\xffb\0\0', 'latin1'))
  assert.equal(attribute(list ?? [], 'sender'), 'a\udcffb')
  assert.equal(encodeAttributes(list ?? []).toString('latin1'), 'sender\0a\xffb\0\0')
})

test('AttributeDecoder refuses a list beyond the limit', () => {
  assert.throws(() => new AttributeDecoder(10).push(Buffer.from('name\0value that goes on')), AttributeError)
  assert.throws(() => new AttributeDecoder(10).push(Buffer.from('a\0b\0c\0d\0e\0f\0')), AttributeError)
})

test('firstList() tells where a list ends', () => {
  assert.deepEqual(firstList(Buffer.from('a\0b\0\0rest')), { list: [['a', 'b']], length: 5 })
  assert.equal(firstList(Buffer.from('a\0b\0')), undefined)
})

test('attributeNumber() reads unsigned decimals as Postfix sends them', () => {
  const cases = [['0', 0], ['4294967295', -1], ['17', 17], ['x', undefined], ['', undefined], [undefined, undefined]] as const
  for (const [text, expected] of cases) assert.equal(attributeNumber(text), expected)
})

test('AttributeDecoder survives any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), target), { seed: 1 })
})
