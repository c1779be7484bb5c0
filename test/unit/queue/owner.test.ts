/** Files that root leaves in the queue: see src/queue/owner.ts. */
import assert from 'node:assert/strict'
import { chownSync, closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { giveFile, giveFolder } from '#queue/owner.ts'
import { isRoot } from '#system/users.ts'

const NOBODY = 65_534

test('giveFile() and giveFolder() hand new files to the owner of the folder', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-owner-'))
  t.after(() => rmSync(folder, { recursive: true }))
  if (isRoot()) chownSync(folder, NOBODY, NOBODY)
  const { uid } = statSync(folder)
  const fd = openSync(join(folder, 'log'), 'w')
  giveFile(fd, folder)
  closeSync(fd)
  mkdirSync(join(folder, 'a'))
  giveFolder(join(folder, 'a'), folder)
  assert.deepEqual(['log', 'a'].map((name) => statSync(join(folder, name)).uid), [uid, uid])
})
