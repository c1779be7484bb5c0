/** URLs of Redis servers: see src/network/redis-url.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRedisUrl } from '#network/redis-url.ts'

test('parseRedisUrl() takes servers, sockets, clusters and sentinels', () => {
  const plain = { tls: false, name: '', user: '', password: '', database: 0 }
  const cases: readonly (readonly [string, object])[] = [
    ['redis://', { ...plain, kind: 'server', addresses: [{ host: 'localhost', port: 6379 }] }],
    ['redis://h:1/2', { ...plain, kind: 'server', addresses: [{ host: 'h', port: 1 }], database: 2 }],
    ['rediss://u:p%40%3a@[::1]:1', { ...plain, kind: 'server', tls: true, user: 'u', password: 'p@:', addresses: [{ host: '::1', port: 1 }] }],
    ['redis://:p@h', { ...plain, kind: 'server', password: 'p', addresses: [{ host: 'h', port: 6379 }] }],
    ['unix:/run/redis.sock', { ...plain, kind: 'unix', name: '/run/redis.sock', addresses: [] }],
    ['unix:///run/redis.sock?db=3', { ...plain, kind: 'unix', name: '/run/redis.sock', addresses: [], database: 3 }],
    ['redis+cluster://a,b:2', { ...plain, kind: 'cluster', addresses: [{ host: 'a', port: 6379 }, { host: 'b', port: 2 }] }],
    ['rediss+sentinel://a,b:2/mymaster/4', { ...plain, kind: 'sentinel', tls: true, name: 'mymaster', database: 4, addresses: [{ host: 'a', port: 26379 }, { host: 'b', port: 2 }] }],
  ]
  for (const [text, expected] of cases) assert.deepEqual(parseRedisUrl(text), expected, text)
})

test('parseRedisUrl() refuses what it cannot understand', () => {
  for (const text of ['', 'h', 'http://h', 'redis:h', 'redis://h:99999', 'redis://h:x', 'redis://h/x', 'redis://h/1/2', 'redis://h/%zz', 'redis+cluster://a/1',
    'redis+sentinel://a', 'redis+sentinel://a/m/x', 'redis+other://a', 'unix:', 'unix:relative', 'redis://a,b', 'redis://h/12345678901']) {
    assert.equal(parseRedisUrl(text), undefined, text)
  }
})
