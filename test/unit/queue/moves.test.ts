/** The table of moves: see src/queue/moves.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMove, MOVES, sourcesOf } from '#queue/moves.ts'

test('MOVES lead from the creation of every message to its removal', () => {
  const reached = new Set<string>(['created'])
  for (let before = 0; before < reached.size;) {
    before = reached.size
    for (const { from, to } of MOVES) if (reached.has(from)) reached.add(to)
  }
  assert.deepEqual([...reached].toSorted(), ['active', 'corrupt', 'created', 'deferred', 'hold', 'incoming', 'maildrop', 'removed'])
})

test('MOVES say each move once', () => {
  const keys = MOVES.map(({ from, to, by }) => `${from} ${to} ${by}`)
  assert.deepEqual(keys, [...new Set(keys)])
})

test('isMove() and sourcesOf() answer from the table', () => {
  assert.equal(isMove('qmgr', 'incoming', 'active'), true)
  assert.equal(isMove('pickup', 'incoming', 'active'), false)
  assert.deepEqual(sourcesOf('qmgr', 'active'), ['incoming', 'deferred'])
})
