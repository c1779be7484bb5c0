/** Identities of page caches: see src/system/page-cache.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSamePageCache, pageCacheId, PAGE_CACHE_ID_BYTES, UNKNOWN_PAGE_CACHE } from '#system/page-cache.ts'

test('pageCacheId() is the same for two paths of one file system, and unknown where there is none to know', () => {
  const here = pageCacheId('/usr')
  assert.equal(here.length, PAGE_CACHE_ID_BYTES)
  assert.deepEqual(pageCacheId('/usr/.'), here)
  assert.deepEqual(pageCacheId('/proc'), UNKNOWN_PAGE_CACHE)
  assert.deepEqual(pageCacheId('/nowhere'), UNKNOWN_PAGE_CACHE)
})

test('isSamePageCache() never takes two unknown ones for the same', () => {
  const one = Uint8Array.from({ length: 16 }, (_, i) => i)
  assert.equal(isSamePageCache(one, Uint8Array.from(one)), true)
  assert.equal(isSamePageCache(one, UNKNOWN_PAGE_CACHE), false)
  assert.equal(isSamePageCache(UNKNOWN_PAGE_CACHE, UNKNOWN_PAGE_CACHE), false)
})
