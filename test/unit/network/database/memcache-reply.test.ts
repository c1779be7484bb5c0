/** Replies of memcached: see src/network/database/memcache-reply.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memcacheServer } from '#network/database/memcache.ts'
import { takeGetReply, takeLine, UnexpectedReply } from '#network/database/memcache-reply.ts'

const limits = { lineBytesMax: 40, dataBytesMax: 10 }
const key = Buffer.from('key')
const take = (text: string): ReturnType<typeof takeGetReply> => takeGetReply(Buffer.from(text, 'latin1'), key, limits)

test('takeGetReply() takes END, or a value with any bytes in it', () => {
  assert.deepEqual(take('END\r\n'), { reply: undefined, length: 5 })
  const taken = take('VALUE key 7 9\r\na\r\nEND\r\nb\r\nEND\r\nmore')
  assert.deepEqual([Buffer.from(taken?.reply ?? '').toString(), taken?.length], ['a\r\nEND\r\nb', 31])
  assert.deepEqual(take('VALUE key 0 0 12345\r\n\r\nEND\r\n')?.reply?.length, 0)
  assert.deepEqual(take('END\n'), { reply: undefined, length: 4 })
})

test('takeGetReply() waits for the rest', () => {
  const whole = 'VALUE key 0 3\r\nabc\r\nEND\r\n'
  for (let end = 0; end < whole.length; end++) assert.equal(take(whole.slice(0, end)), undefined, String(end))
})

test('takeGetReply() refuses errors, other keys, more than the limits', () => {
  for (const text of ['ERROR\r\n', 'CLIENT_ERROR bad\r\n', 'VALUE other 0 1\r\n', 'VALUE key 0 11\r\n', 'VALUE key 0 -1\r\n', 'VALUE key 0 x\r\n', '\r\n', 'x'.repeat(41),
    'VALUE key 0 1\r\nabEND\r\n', 'VALUE key 0 1\r\na\r\nVALUE key 0 1\r\n', 'VALUE key 0 99999999999\r\n']) {
    assert.throws(() => take(text), UnexpectedReply, JSON.stringify(text))
  }
})

test('takeLine() takes up to the end of a line', () => {
  assert.deepEqual(takeLine(Buffer.from('STORED\r\nx'), limits), { reply: 'STORED', length: 8 })
  assert.equal(takeLine(Buffer.from('STORE'), limits), undefined)
})

test('memcacheServer() takes inet and unix [memcache_table(5), memcache]', () => {
  assert.deepEqual(memcacheServer('inet:h:11211'), { text: 'h:11211', connect: { host: 'h', port: 11211 } })
  assert.deepEqual(memcacheServer('inet:[::1]:1'), { text: '[::1]:1', connect: { host: '::1', port: 1 } })
  assert.deepEqual(memcacheServer('inet::1'), { text: ':1', connect: { host: 'localhost', port: 1 } })
  assert.deepEqual(memcacheServer('unix:/a:b'), { text: '/a:b', connect: { path: '/a:b' } })
  assert.equal(memcacheServer('x:y'), 'invalid transport name: x in service: x:y')
  assert.equal(memcacheServer('inet:h'), 'need service transport:endpoint instead of "inet:h"')
  for (const text of ['', 'inet', 'inet:', 'inet:h:99999', 'inet:h:no-such-service']) assert.equal(typeof memcacheServer(text), 'string', text)
})
