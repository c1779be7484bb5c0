/** proxymap in the process of the test, on a socket of its own: see src/support/proxymap. */
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { useProxymap } from '#service/proxymap.ts'
import { setup } from '#support/proxymap/main.ts'
import { openTable } from '#tables/open.ts'
import { askProxy, connectProxy, proxyFlags } from '#tables/proxy.ts'
import { TableOpenError } from '#tables/table.ts'
import { captureLog } from '#test/support/log.ts'
import { tableFolder, type TableFolder } from '#test/support/tables.ts'
import { startWorker, type TestWorker } from '#test/support/worker.ts'

/** Both services for a configuration, where a client with this queue directory looks for them. */
async function services(folder: TableFolder, values: Readonly<Record<string, string>>): Promise<AsyncDisposable & { readonly config: ReturnType<typeof configFrom> }> {
  const config = configFrom(values)
  mkdirSync(join(folder.path, 'private'))
  const workers: TestWorker[] = []
  for (const name of ['proxymap', 'proxywrite']) {
    const worker = await startWorker(setup, { config, name, type: 'unix', clientLimit: name === 'proxymap' ? 2 : 1 })
    symlinkSync(worker.path, join(folder.path, 'private', name))
    workers.push(worker)
  }
  useProxymap(folder.path)
  return {
    config,
    async [Symbol.asyncDispose]() {
      connectProxy(undefined)
      await Promise.all(workers.map((worker) => worker.stop()))
    },
  }
}

test('proxymap answers many at a time, passes errors on, and refuses what is not approved', async () => {
  using folder = tableFolder()
  using log = captureLog()
  await using site = await services(folder, { virtual_alias_maps: 'proxy:inline:{a=b, Ab=c} proxy:fail:x proxy:texthash:/no/file' })
  const table = openTable('proxy:inline:{a=b, Ab=c}', site)
  const keys = Array.from({ length: 500 }, (_, i) => (i % 2 === 0 ? 'A' : `no${i}`))
  const answers = await Promise.all(keys.map(async (key) => table.lookup(key)))
  assert.equal(answers.filter(({ kind }) => kind === 'found').length, 250)
  assert.deepEqual(await openTable('proxy:inline:{a=b, Ab=c}', { ...site, fold: false }).lookup('Ab'), { kind: 'found', value: 'c' })
  assert.deepEqual(await openTable('proxy:fail:x', site).lookup('a'), { kind: 'error', reason: 'Application error' })
  assert.deepEqual(await openTable('proxy:texthash:/no/file', site).lookup('a'), { kind: 'error', reason: 'Application error' })
  const denied = 'proxymap service is not configured for table "static:x"'
  assert.deepEqual(await openTable('proxy:static:x', site).lookup('a'), { kind: 'error', reason: denied })
  await assert.rejects(async () => openTable('proxy:static:x', { ...site, strict: true }).lookup('a'), new TableOpenError(denied).constructor)
  const long = await openTable('proxy:inline:{a=b, Ab=c}', site).lookup('k'.repeat(200_000))
  assert.equal(long.kind, 'error')
  assert.ok(log.texts().includes('warning: request for unapproved table: "static:x"'))
})

test('proxywrite changes what proxy_write_maps names; the reader refuses to', async () => {
  using folder = tableFolder()
  using log = captureLog()
  const cache = `lmdb:${folder.path}/cache`
  await using site = await services(folder, { proxy_write_maps: `proxy:${cache} proxy:internal:x`, proxy_read_maps: `proxy:${cache}` })
  for (const table of [cache, 'internal:x']) {
    const open = openTable(`proxy:${table}`, site)
    const done = await Promise.all(Array.from({ length: 300 }, async (_, i) => open.put?.(`Key${i}`, `value ${i}`)))
    assert.ok(done.every((change) => change?.kind === 'done'))
    assert.deepEqual(await open.remove?.('KEY5'), { kind: 'done' })
    assert.deepEqual(await open.remove?.('key5'), { kind: 'absent' })
  }
  assert.deepEqual(await openTable(cache, site).lookup('key7'), { kind: 'found', value: 'value 7' })
  const walked = await Array.fromAsync(openTable(`proxy:${cache}`, site).entries?.() ?? [])
  assert.equal(walked.length, 299)
  const request = { kind: 'update', table: cache, flags: proxyFlags(site), key: 'a', value: 'b' } as const
  await assert.rejects(askProxy(site.config, 'proxymap', request), /not configured for table/)
  assert.ok(log.texts().includes(`warning: refusing ${cache} update request on non-proxywrite service`))
})

test('proxy: without a service is an error that names it; tables that decide about rights do not ask', async () => {
  using folder = tableFolder()
  using log = captureLog()
  const config = configFrom({})
  useProxymap(folder.path)
  const reason = `connect #1 to subsystem ${folder.path}/private/proxymap: No such file or directory`
  assert.deepEqual(await openTable('proxy:static:x', { config }).lookup('a'), { kind: 'error', reason })
  assert.deepEqual(log.texts(), [`warning: table proxy:static:x: ${reason}`])
  connectProxy(undefined)
  assert.equal((await openTable('proxy:static:x', { config }).lookup('a')).kind, 'error')
  assert.deepEqual(await openTable('proxy:static:x', { config, direct: true }).lookup('a'), { kind: 'found', value: 'x' })
  assert.equal(openTable('proxy:pipemap:{regexp:/a,fail:x}', { config }).pattern, true)
  assert.equal(openTable('proxy:unionmap:{regexp:/a,static:x}', { config }).pattern, false)
})
