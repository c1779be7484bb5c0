/** Indexed files, written and read by ourselves: see src/tables/store. Against other programs: test/interop/tables.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storeFormat } from '#tables/store/formats.ts'
import { DamagedStore, type StoreFormat } from '#tables/store/store.ts'
import { storeEntries, storeFiles } from '#test/support/store.ts'

function format(type: string): StoreFormat {
  const known = storeFormat(type)
  assert.ok(known !== undefined)
  return known
}

/** Many keys, some with values that need pages of their own. */
function* pairs(count: number): Generator<readonly [string, string]> {
  for (let i = 0; i < count; i++) yield [`user${i}@example${i % 97}.com`, i % 100 === 0 ? 'v'.repeat(i * 5) : `value ${i}`]
}

/** Pairs as small as sdbm wants them. */
function* shortPairs(count: number): Generator<readonly [string, string]> {
  for (const [key, value] of pairs(count)) yield [key, value.slice(0, 900)]
}

const text = (bytes: Uint8Array | undefined): string | undefined => bytes && Buffer.from(bytes).toString()

for (const type of ['hash', 'btree', 'lmdb', 'cdb', 'sdbm']) {
  for (const count of [0, 1, 3, 5000]) {
    test(`${type}: what write() stores, find() and entries() give back: ${count} entries`, () => {
      const entries = storeEntries(type === 'sdbm' ? shortPairs(count) : pairs(count), format(type))
      const store = format(type).read(storeFiles(type === 'sdbm' ? shortPairs(count) : pairs(count), format(type), 1 << 20))
      for (const [key, value] of entries) assert.equal(text(store.find(key)), text(value))
      assert.equal(store.find(Buffer.from('absent')), undefined)
      const all = Array.from(store.entries(), ([key, value]) => `${text(key)} ${text(value)}`)
      assert.deepEqual(all.toSorted(), entries.map(([key, value]) => `${text(key)} ${text(value)}`).toSorted())
    })
  }

  test(`${type}: what is no such file is refused`, () => {
    const { read } = format(type)
    for (const bytes of [Buffer.alloc(0), Buffer.from('text'), Buffer.alloc(8192, 0xff), Buffer.alloc(100)]) {
      if (type === 'sdbm' && bytes.length === 0) continue
      assert.throws(() => Array.from(read([bytes, bytes]).entries()), DamagedStore)
    }
  })
}

for (const type of ['hash', 'btree', 'lmdb']) {
  test(`${type}: a file cut in the middle fails cleanly`, () => {
    const { read } = format(type)
    const [bytes] = storeFiles(pairs(2000), format(type))
    assert.ok(bytes)
    const half = bytes.subarray(0, bytes.length / 2)
    assert.throws(() => Array.from(read([half]).entries()), DamagedStore)
  })
}

for (const type of ['hash', 'btree']) {
  test(`${type}: long keys go on overflow pages`, () => {
    const long = Array.from({ length: 60 }, (_, i) => ['k'.repeat(900 + 100 * i), `${i}`] as const)
    const entries = storeEntries(long, format(type))
    const store = format(type).read(storeFiles(long, format(type)))
    for (const [key, value] of entries) assert.equal(text(store.find(key)), text(value))
  })
}

test('lmdb: keys beyond its limit are refused', () => {
  assert.throws(() => storeFiles([['k'.repeat(511), 'v']], format('lmdb')), RangeError)
})

test('sdbm: a pair beyond its limit, and keys whose hashes are all the same, are refused', () => {
  assert.throws(() => storeFiles([['k', 'v'.repeat(1006)]], format('sdbm')), RangeError)
  // 65599 * a + b is the same for these: 'b' is one up where 'a', 65599 times as heavy, has no room for it.
  assert.throws(() => format('sdbm').read([Buffer.alloc(100), Buffer.alloc(4096)]), DamagedStore)
})
