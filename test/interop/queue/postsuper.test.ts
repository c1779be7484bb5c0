/** postsuper beside the real one, on two equal queues: the same words, the same files afterwards. */
import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { messageBytes } from '#test/support/spool.ts'
import { createTwoQueues, type StartFile, type TwoQueues } from '#test/support/two-queues.ts'
import type { ToolOptions } from '#test/support/tools.ts'

const MESSAGE = messageBytes()

function file(path: string, mode = 0o700): StartFile {
  return { path, bytes: MESSAGE, mode }
}

/** Ids that were made of inodes are not compared by name. */
function plain(text: string): string {
  return text.replaceAll(/\b[0-9A-F]{10,}\b/g, 'ID')
}

/** Runs both and compares everything that can be seen. */
function same(queues: TwoQueues, args: readonly string[], options: ToolOptions = {}): void {
  const { real, ours } = queues.run('postsuper', args, options)
  assert.deepEqual({ ...ours, stderr: plain(ours.stderr) }, { ...real, stderr: plain(real.stderr) }, `postsuper ${args.join(' ')}`)
  assert.deepEqual(queues.tree('ours'), queues.tree('real'), `tree after postsuper ${args.join(' ')}`)
}

function skipped(t: TestContext): boolean {
  const absent = judgeAbsent()
  if (absent !== undefined) t.skip(absent)
  return absent !== undefined
}

test('postsuper treats messages by id as the real one does', (t) => {
  if (skipped(t)) return
  using queues = createTwoQueues([
    file('deferred/A/AAAAA1'), file('deferred/A/AAAAA2'), file('deferred/A/AAAAA3'), file('incoming/AAAAA4'), file('active/AAAAA5'),
    file('hold/AAAAA6'), file('maildrop/AAAAA7', 0o744), file('incoming/AAAAA8', 0o600), file('defer/A/AAAAA1'), file('bounce/AAAAA1'),
  ])
  same(queues, ['-d', 'AAAAA1'])
  same(queues, ['-h', 'AAAAA2', '-h', 'NOSUCH1', '-H', 'AAAAA6', '-h', 'AAAAA6', '-h', 'bad/id'])
  same(queues, ['-e', 'AAAAA3', '-e', 'AAAAA3', '-H', 'AAAAA2'])
  same(queues, ['-f', 'AAAAA6'])
  same(queues, ['-r', '-'], { input: 'AAAAA4\nAAAAA5\nbad.id\n\n' })
  same(queues, ['-d', 'AAAAA8', '-h', 'AAAAA7'])
  assert.deepEqual(queues.log('ours'), queues.log('real'))
})

test('postsuper treats whole queues as the real one does', (t) => {
  if (skipped(t)) return
  using queues = createTwoQueues([
    file('deferred/A/AAAAA1'), file('incoming/AAAAA2'), file('hold/AAAAA3'), file('maildrop/AAAAA4', 0o744), file('defer/A/AAAAA1', 0o600),
  ])
  for (const args of [['-h', 'ALL'], ['-f', 'ALL'], ['-e', 'ALL', 'deferred'], ['-H', 'ALL', 'hold'], ['-r', 'ALL', 'deferred'], ['-d', 'all'],
    ['-d', 'ALL', 'nosuch'], ['-d', 'ALL', 'corrupt'], ['-z'], ['-c', 'relative'], ['-d'], ['-d', 'ALL', 'maildrop', 'defer']]) same(queues, args)
  assert.deepEqual(queues.log('ours'), queues.log('real'))
})

test('postsuper repairs the structure as the real one does', (t) => {
  if (skipped(t)) return
  using queues = createTwoQueues([
    file('deferred/90E7F1'), file('deferred/9/90E7E1'), file('defer/9/90E7E1', 0o600), file('incoming/4jW9hf4CV7zLP29'), file('hold/notanid'),
    file('hold/zz#FIX'), file('hold/BAD.x'), file('incoming/12345ABCDEF#FIX'), file('incoming/123.45', 0o600), file('active/a/b/90E7A1'),
  ])
  same(queues, ['-d', 'NOSUCH', '-s'])
  same(queues, ['-s'])
  same(queues, [])
  queues.configure('hash_queue_names = incoming, hold, deferred\nhash_queue_depth = 2\nenable_long_queue_ids = yes')
  same(queues, ['-p', '-S'])
  queues.configure('hash_queue_names = maildrop')
  same(queues, ['-s'])
})
