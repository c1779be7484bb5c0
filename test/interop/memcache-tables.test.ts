/** memcache tables against memcached: the same answers and changes as real Postfix; a server that goes and comes back. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTable } from '#tables/open.ts'
import { captureLog } from '#test/support/log.ts'
import { memcachedAbsent, startMemcached, type Memcached } from '#test/support/memcached.ts'
import { JUDGE, ours, theirs, workplace } from '#test/support/postmap.ts'
import { tableFolder, tableOptions, type TableFolder } from '#test/support/tables.ts'

const absent = memcachedAbsent()
let cache: Memcached | undefined
let socket: Memcached | undefined

before(async () => {
  if (absent !== undefined) return
  cache = await startMemcached()
  socket = await startMemcached({ unix: true })
})
after(async () => {
  await cache?.[Symbol.asyncDispose]()
  await socket?.[Symbol.asyncDispose]()
})

type Question = {
  readonly name: string
  readonly settings?: string
  /** Stored first, by the side that is named. */
  readonly stored?: string
  readonly keys: readonly string[]
  /** Removed in the end: keys. */
  readonly removed?: readonly string[]
  /** Options of postmap. */
  readonly options?: readonly string[]
}

const STORED = 'alice bob@example.com, carol\nMiXed CaSe\nuser@example.com mailbox\nzoë ünï\n"q k" quoted\nempty@example.com x\n'

const QUESTIONS: readonly Question[] = [
  { name: 'all defaults', stored: STORED, keys: ['alice', 'ALICE', 'mixed', 'nobody', 'user@example.com', 'zoë', 'with blank', '"q', 'k', ''] },
  { name: 'case kept', stored: STORED, options: ['-f'], keys: ['MiXed', 'mixed', 'ALICE', 'alice'] },
  { name: 'key_format', settings: 'key_format = aliases:%s\n', stored: STORED, keys: ['alice', 'user@example.com'], removed: ['alice', 'alice', 'nobody'] },
  { name: 'key_format with parts', settings: 'key_format = %2.%1/%d/%u\n', stored: STORED, keys: ['user@example.com', 'alice', '@example.com', 'user@com'] },
  { name: 'key_digest', settings: 'key_digest = sha256\n', stored: `${STORED}${'k'.repeat(300)} long\n`, keys: ['alice', 'k'.repeat(300), 'nobody', 'with blank'] },
  { name: 'a key that is too long', keys: ['k'.repeat(300)] },
  { name: 'an unknown digest', settings: 'key_digest = sha999\n', keys: ['alice'] },
  { name: 'domain', settings: 'domain = example.com\n', stored: STORED, keys: ['user@example.com', 'alice', 'user@example.org', '@example.com'], removed: ['alice', 'user@example.com'] },
  { name: 'data_size_limit when storing', settings: 'data_size_limit = 5\nkey_format = small:%s\n', stored: 'one 12345\ntwo 123456\n', keys: ['one', 'two'] },
  { name: 'data_size_limit when reading', settings: 'data_size_limit = 3\n', keys: ['alice'] },
  { name: 'line_size_limit', settings: 'line_size_limit = 5\n', keys: ['alice'] },
  { name: 'ttl and flags', settings: 'ttl = 100\nflags = 7\nkey_format = t:%s\n', stored: STORED, keys: ['alice'] },
  { name: 'a backup table', settings: 'backup = texthash:$DIR/backup\nkey_format = b:%s\n', keys: ['back', 'nobody', 'Back'] },
  { name: 'what came from a backup is stored', settings: 'key_format = b:%s\n', keys: ['back', 'nobody'] },
  { name: 'no server, but a backup table', settings: 'memcache = inet:127.0.0.1:1\nbackup = texthash:$DIR/backup\n', keys: ['back'] },
  { name: 'no server', settings: 'memcache = inet:127.0.0.1:1\n', keys: ['alice'] },
  { name: 'storing without a server', settings: 'memcache = inet:127.0.0.1:1\n', stored: 'a b\n', keys: ['alice'], removed: ['a'] },
  { name: 'a socket', settings: 'memcache = unix:$SOCKET\n', stored: 'sock et\n', keys: ['sock', 'alice'] },
  { name: 'a bad transport', settings: 'memcache = x:y\n', keys: ['alice'] },
  { name: 'a bad template', settings: 'key_format = %z\n', keys: ['alice'] },
  { name: 'no such file', settings: 'memcache =\n', keys: ['alice'] },
]

function tableFile(folder: TableFolder, port: number, settings = ''): string {
  folder.write('backup', 'back from backup\n')
  const own = settings.replaceAll('$DIR', folder.path).replaceAll('$SOCKET', socket?.path ?? '')
  return folder.write('table.cf', `${own.startsWith('memcache') ? '' : `memcache = inet:127.0.0.1:${port}\n`}${own}`)
}

for (const { name, settings, stored, keys, removed = [], options = [] } of QUESTIONS) {
  test(`postmap memcache: the same answers, changes and exit status as Postfix 3.11: ${name}`, async (t) => {
    if (cache === undefined) return t.skip(absent)
    if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
    using folder = workplace()
    const spec = `memcache:${tableFile(folder, cache.port, settings)}`
    const results = async (run: (argv: readonly string[], input?: string) => Promise<{ status: number; out: string; log: string }>): Promise<unknown[]> => {
      const all: unknown[] = []
      const note = ({ status, out, log }: { status: number; out: string; log: string }): void => {
        all.push(status, out, log.includes('fatal:'))
      }
      if (stored !== undefined) note(await run([...options, '-i', spec], stored))
      note(await run([...options, '-q', keys.length === 1 ? (keys[0] ?? '') : '-', spec], keys.map((key) => `${key}\n`).join('')))
      for (const key of removed) note(await run([...options, '-d', key, spec]))
      if (removed.length > 0) note(await run([...options, '-q', '-', spec], keys.map((key) => `${key}\n`).join('')))
      return all
    }
    const judge = await results((argv, input) => theirs(JUDGE, folder, 'postmap', argv, input))
    assert.deepEqual(await results((argv, input) => ours(folder, 'postmap', argv, input)), judge)
    // What the one side stored, the other finds.
    if (stored !== undefined && removed.length === 0) {
      const argv = [...options, '-q', '-', spec]
      assert.equal((await theirs(JUDGE, folder, 'postmap', argv, 'alice\n')).out, (await ours(folder, 'postmap', argv, 'alice\n')).out)
    }
    return undefined
  })
}

test('postmap -s memcache: entries of the backup table, as Postfix 3.11', async (t) => {
  if (cache === undefined) return t.skip(absent)
  if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
  using folder = workplace()
  const bare = `memcache:${tableFile(folder, cache.port)}`
  assert.deepEqual(await ours(folder, 'postmap', ['-s', bare]), await theirs(JUDGE, folder, 'postmap', ['-s', bare]))
  const backed = `memcache:${tableFile(folder, cache.port, 'backup = texthash:$DIR/backup\n')}`
  assert.equal((await ours(folder, 'postmap', ['-s', backed])).out, (await theirs(JUDGE, folder, 'postmap', ['-s', backed])).out)
  return undefined
})

test('memcache: many lookups at a time; a server that stops is an error with the name of the table, and is found again', async (t) => {
  if (absent !== undefined) return t.skip(absent)
  await using server = await startMemcached()
  using folder = tableFolder()
  using log = captureLog()
  const file = tableFile(folder, server.port, 'retry_pause = 1\n')
  const table = openTable(`memcache:${file}`, tableOptions())
  assert.deepEqual(await table.put?.('k', 'v w'), { kind: 'done' })
  const ask = async (): Promise<unknown> => table.lookup('k')
  assert.deepEqual(await Promise.all(Array.from({ length: 200 }, ask)), Array.from({ length: 200 }, () => ({ kind: 'found', value: 'v w' })))
  const atWork = Array.from({ length: 50 }, ask)
  await server.stop()
  for (const answer of await Promise.all(atWork)) assert.match(JSON.stringify(answer), /"found"|"error"/)
  assert.match(JSON.stringify(await ask()), /"error"/)
  assert.ok(log.texts().some((text) => text.includes(file) && text.includes('Connection refused')))
  await server.start()
  assert.deepEqual(await ask(), { kind: 'absent' })
  assert.deepEqual(await table.put?.('k', 'again'), { kind: 'done' })
  assert.deepEqual(await ask(), { kind: 'found', value: 'again' })
  table.close()
  return undefined
})
