/** The disk in memory: see test/support/disk/disk.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { O_CREAT, O_RDWR } from '#system/files.ts'
import { Disk } from '#test/support/disk/disk.ts'

test('Disk reads nothing behind the end of a file, however far', () => {
  const { files } = new Disk({ now: () => 0, pass: () => undefined, device: () => Promise.resolve() })
  files.mkdir('/folder', 0o700)
  const fd = files.open('/folder/file', O_RDWR | O_CREAT, 0o600)
  files.write(fd, Buffer.from('abc'), 0, 3, 0)
  assert.deepEqual([2, 3, 100_000].map((at) => files.read(fd, Buffer.alloc(8), 0, 8, at)), [1, 0, 0])
})
