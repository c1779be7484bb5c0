/** The rights of workers, with real processes: see src/service/worker.ts. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getpwnam, isRoot } from '#system/users.ts'
import { startMaster } from '#test/support/master.ts'

test('workers give up root, and see only the queue with chroot = y; unpriv = n keeps root', async (t) => {
  const owner = getpwnam('postfix') ?? getpwnam('nobody')
  if (!isRoot() || owner === undefined) return t.skip('only root can give up root')
  await using master = await startMaster(
    'plain unix - - n - - whoami\njail unix - - y - - whoami\nroot unix - n n - - whoami\n', `mail_owner = ${owner.name}`,
    (folder) => {
      // The queue must be reachable for that user.
      chmodSync(folder, 0o755)
      for (const name of ['data', 'queue/public', 'queue/private']) chownSync(join(folder, name), owner.uid, owner.gid)
    },
  )
  const answer = async (path: string): Promise<string> => {
    const { socket, greeting } = await master.client(path)
    socket.destroy()
    return greeting
  }
  const dropped = new RegExp(`^before=0 uid=${owner.uid} gid=${owner.gid} groups=(?!0\\b)\\S+ `)
  const plain = await answer('private/plain')
  assert.match(plain, dropped)
  assert.match(plain, / root=system cwd=\S+\/queue\n$/)
  const jail = await answer('private/jail')
  assert.match(jail, dropped)
  assert.match(jail, / root=queue cwd=\/\n$/)
  assert.match(await answer('private/root'), /^before=0 uid=0 gid=0 /)
})

test('an executable of daemon_directory is started like a daemon of Postfix, with its descriptors', async () => {
  await using master = await startMaster('foreign unix - n n - 2 foreign.sh some words\n', '', (folder) => {
    const lines = ['#!/bin/sh', `printf "%s " "$@" > ${folder}/arguments`, `ls /proc/$$/fd > ${folder}/descriptors`, 'exit 3', '']
    writeFileSync(join(folder, 'etc/foreign.sh'), lines.join('\n'), { mode: 0o755 })
  })
  const ended = assert.rejects(master.client('private/foreign'))
  const log = await master.logged(/bad command startup -- throttling$/)
  assert.match(log, /warning: process \S+\/etc\/foreign\.sh pid \d+ exit status 3\n/)
  assert.equal(readFileSync(join(master.folder, 'arguments'), 'utf8'), '-n foreign -t unix some words ')
  // 3 and 4: flow control; 5: status; 6: the listener.
  const descriptors = new Set(readFileSync(join(master.folder, 'descriptors'), 'utf8').split('\n'))
  for (const fd of ['3', '4', '5', '6']) assert.ok(descriptors.has(fd), fd)
  await master[Symbol.asyncDispose]()
  await ended
})
