/** Owners and modes of what postmap makes as root, and where it may: as real Postfix 3.11 does. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getpwnam } from '#system/users.ts'
import { JUDGE, ours, theirs, workplace, type Result } from '#test/support/postmap.ts'
import type { TableFolder } from '#test/support/tables.ts'

type Case = {
  readonly title: string
  /** Who owns the source, its folder, and an old database, if there is one. */
  readonly source: 'root' | 'nobody'
  readonly folder: 'root' | 'nobody'
  readonly old?: 'root' | 'nobody'
  readonly mode: number
  readonly argv: readonly string[]
}

const CASES: readonly Case[] = [
  { title: 'source of somebody in a folder of root', source: 'nobody', folder: 'root', mode: 0o640, argv: [] },
  { title: 'source and folder of somebody', source: 'nobody', folder: 'nobody', mode: 0o604, argv: [] },
  { title: '-o', source: 'nobody', folder: 'nobody', mode: 0o604, argv: ['-o'] },
  { title: '-p', source: 'nobody', folder: 'nobody', mode: 0o600, argv: ['-p'] },
  { title: 'an old database of root', source: 'nobody', folder: 'nobody', old: 'root', mode: 0o644, argv: [] },
  { title: 'source of root in a folder of somebody', source: 'root', folder: 'nobody', mode: 0o644, argv: [] },
  { title: 'the same with -o', source: 'root', folder: 'nobody', mode: 0o644, argv: ['-o'] },
  { title: 'all of root, for its group only', source: 'root', folder: 'root', mode: 0o660, argv: [] },
  { title: 'all of root, for all', source: 'root', folder: 'root', mode: 0o666, argv: [] },
  { title: 'all of root, -p', source: 'root', folder: 'root', mode: 0o600, argv: ['-p'] },
]

const SUFFIXES: Readonly<Record<string, string>> = { hash: '.db', lmdb: '.lmdb', cdb: '.cdb' }
const USERS = { root: { uid: 0, gid: 0 }, nobody: getpwnam('nobody') ?? { uid: 65534, gid: 65534 } }

function give(path: string, who: 'root' | 'nobody'): void {
  chownSync(path, USERS[who].uid, USERS[who].gid)
}

/** Runs one case by `run`; what it says and what it leaves. */
async function played(given: Case, type: string, run: (folder: TableFolder, argv: readonly string[]) => Promise<Result>): Promise<unknown> {
  using folder = workplace()
  chmodSync(folder.path, 0o755)
  const place = join(folder.path, 'place')
  mkdirSync(place)
  const path = join(place, 't')
  const made = path + (SUFFIXES[type] ?? '')
  writeFileSync(path, 'a b\n')
  chmodSync(path, given.mode)
  give(path, given.source)
  if (given.old !== undefined) {
    await theirs(JUDGE, folder, 'postmap', ['-o', `${type}:${path}`])
    chmodSync(made, 0o644)
    give(made, given.old)
  }
  give(place, given.folder)
  const { status, log } = await run(folder, [...given.argv, `${type}:${path}`])
  const { uid, mode } = existsSync(made) ? statSync(made) : { uid: -1, mode: 0 }
  rmSync(place, { recursive: true })
  return { status, log: log.replaceAll(place, 'PLACE'), uid, mode: (mode & 0o777).toString(8) }
}

for (const type of Object.keys(SUFFIXES)) {
  test(`postmap ${type}: owner, mode, warnings and refusals of Postfix 3.11`, async (t) => {
    if (JUDGE.absent !== undefined) return t.skip(JUDGE.absent)
    for (const given of CASES) {
      const expected = await played(given, type, (folder, argv) => theirs(JUDGE, folder, 'postmap', argv))
      assert.deepEqual(await played(given, type, (folder, argv) => ours(folder, 'postmap', argv)), expected, given.title)
    }
    return undefined
  })
}
