/** Set-gid commands: whose configuration they read. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CommandExit } from '#commands/getopt.ts'
import { authorizeDirectory } from '#commands/setgid.ts'
import { configFrom } from '#config/load.ts'

test('authorizeDirectory() takes directories that the default configuration names', () => {
  const standard = configFrom({ alternate_config_directories: '/a, /b', multi_instance_directories: '/c' }, '/etc/postfix')
  for (const directory of ['/etc/postfix', '/a', '/b', '/c']) authorizeDirectory('postdrop', directory, standard)
  assert.throws(() => authorizeDirectory('postdrop', '/home/x', standard), (error) => {
    assert.ok(error instanceof CommandExit)
    assert.equal(error.exitCode, 1)
    assert.deepEqual(error.message.split('\n'), [
      'postdrop: error: unauthorized configuration directory name: /home/x',
      'postdrop: fatal: specify "alternate_config_directories = /home/x" or "multi_instance_directories = /home/x" in /etc/postfix/main.cf',
    ])
    return true
  })
})
