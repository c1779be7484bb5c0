/** Queue ids: see src/queue/id.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decodeId, hashText, isLongId, isQueueId, longId, microTime, queueId, renewId, shortId } from '#queue/id.ts'

test('shortId() is microseconds and inode in hexadecimal', () => {
  assert.equal(shortId(593535, 2442450), '90E7F2544D2')
  assert.equal(shortId(7, 255), '00007FF')
  assert.equal(shortId(0, 2n ** 63n), '000008000000000000000')
})

test('longId() is seconds, microseconds and inode without vowels', () => {
  assert.equal(longId(1795168578, 593535, 2442450), '4jW9hf4CV7zLP29')
  assert.equal(longId(1795168578, 7, 2442450), '4jW9hf0007zLP29')
  assert.equal(longId(1, 0, 1), '0000010000z1')
})

test('decodeId() takes both forms apart', () => {
  assert.deepEqual(decodeId('90E7F2544D2'), { long: false, seconds: undefined, microseconds: 593535, inode: '2544D2' })
  assert.deepEqual(decodeId('4jW9hf4CV7zLP29'), {
    long: true, seconds: 1795168578, microseconds: 593535, inode: '2544D2',
  })
  for (const id of ['notanid', '12345', '90E7Fz', '4jW9hf4CV7z', '4jW9hf4CV7zAE', '12345FFFFFFFFFFFFFFFFF']) {
    assert.equal(decodeId(id), undefined, id)
  }
})

test('isLongId() goes by the place of the last z', () => {
  const cases = [['4jW9hf4CV7zLP29', true], ['012345678zz', true], ['012345678z1', false], ['90E7F2544D2', false]] as const
  for (const [id, expected] of cases) assert.equal(isLongId(id), expected, id)
})

test('hashText() of a long id is its microseconds in hexadecimal', () => {
  assert.equal(hashText('4jW9hf4CV7zLP29'), '90E7F')
  assert.equal(hashText('90E7F2544D2'), '90E7F2544D2')
  assert.equal(hashText('example_com'), 'example_com')
})

test('renewId() keeps the time and takes another inode', () => {
  assert.equal(renewId('90E7F2544D2', 255, false), '90E7FFF')
  assert.equal(renewId('4jW9hf4CV7zLP29', 2442450, false), '90E7F2544D2')
  assert.equal(renewId('4jW9hf4CV7z1', 2442450, true), '4jW9hf4CV7zLP29')
  assert.equal(renewId('notanid', 1, true), undefined)
})

test('isQueueId() refuses names that could leave the directory', () => {
  for (const name of ['', '.', '..', 'a/b', '12.34', 'a b', 'ä', 'A'.repeat(256)]) assert.equal(isQueueId(name), false, name)
  for (const name of ['A', '90E7F2544D2', 'example_com', 'A'.repeat(255)]) assert.equal(isQueueId(name), true, name)
  assert.throws(() => queueId('a/b'), /Cannot use "a\/b" as a queue id/)
})

test('microTime() never gives the same time twice', () => {
  const times = Array.from({ length: 2000 }, () => {
    const { seconds, microseconds } = microTime()
    assert.ok(microseconds >= 0 && microseconds < 1e6)
    return seconds * 1e6 + microseconds
  })
  assert.equal(new Set(times).size, times.length)
})
