/** The command line of a worker: see src/service/worker-arguments.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseWorkerArguments } from '#service/worker-arguments.ts'

test('parseWorkerArguments() reads what master writes, and leaves the words of master.cf', () => {
  const args = parseWorkerArguments(['-n', 'smtp', '-t', 'inet', '-uc', '-s', '2', '-o', 'stress=', '-v', '-v', '-o', 'a = b c', 'x', '-y'])
  assert.equal(args.name, 'smtp')
  assert.equal(args.type, 'inet')
  assert.deepEqual([args.unprivileged, args.chroot, args.listeners, args.verbose], [true, true, 2, 2])
  assert.deepEqual([...args.overrides], [['stress', ''], ['a', 'b c']])
  assert.deepEqual(args.rest, ['x', '-y'])
})

test('the last of two -o for one parameter counts', () => {
  const { overrides } = parseWorkerArguments(['-n', 'x', '-t', 'unix', '-oa=1', '-o', 'a=2'])
  assert.equal(overrides.get('a'), '2')
})

test('parseWorkerArguments() refuses what master does not write', () => {
  const cases = [[], ['-n', 'x'], ['-n', 'x', '-t', 'tcp'], ['-n', 'x', '-t', 'unix', '-s', '0'], ['-n', 'x', '-t', 'unix', '-X'],
    ['-n', 'x', '-t', 'unix', '-o', 'novalue'], ['-n']]
  for (const args of cases) assert.throws(() => parseWorkerArguments(args), args.join(' '))
})
