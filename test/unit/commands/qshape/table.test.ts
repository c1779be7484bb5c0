/** The table of qshape: see src/commands/qshape/table.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShapeTable, type TableOptions } from '#commands/qshape/table.ts'

const OPTIONS: TableOptions = { buckets: 10, minutes: 5, linear: false, width: 80, parents: false, parentsMin: 5 }
const NOW = 1795168578

test('lines() are what qshape prints', () => {
  const table = new ShapeTable(OPTIONS, NOW)
  table.add(NOW - 45 * 60, ['a@Example.NET', 'b@example.net'])
  assert.deepEqual(table.lines(), [
    '                                         T  5 10 20 40 80 160 320 640 1280 1280+',
    '                                  TOTAL  2  0  0  0  0  2   0   0   0    0     0',
    '                            example.net  2  0  0  0  0  2   0   0   0    0     0',
  ])
})

test('lines() put the larger domain and the shorter name first', () => {
  const table = new ShapeTable({ ...OPTIONS, buckets: 2 }, NOW)
  for (const address of ['a@long.example', 'a@x.example', 'a@y', 'b@y', '']) table.add(NOW, [address])
  assert.deepEqual(table.lines().map((line) => line.trim().split(/\s+/).slice(0, 2).join(' ')), [
    'T 5', 'TOTAL 5', 'y 2', 'x.example 1', 'long.example 1', 'MAILER-DAEMON 1',
  ])
})

test('lines() show parents of enough domains', () => {
  const table = new ShapeTable({ ...OPTIONS, buckets: 1, parents: true, parentsMin: 3 }, NOW)
  for (const name of ['a.x.example', 'b.x.example', 'c.x.example', 'd.y.example']) table.add(NOW, [`u@${name}`, `v@${name}`])
  const names = table.lines().map((line) => line.trim().split(/\s+/)[0])
  assert.ok(names.includes('.x.example'))
  assert.ok(!names.includes('.y.example') && !names.includes('.example'))
})

test('lines() cut long names at their start', () => {
  const table = new ShapeTable(OPTIONS, NOW)
  table.add(NOW, [`u@${'long.'.repeat(10)}example`])
  assert.ok(table.lines().some((line) => line.startsWith('+') && line.length === 80))
})

test('linear columns are equally wide', () => {
  const table = new ShapeTable({ ...OPTIONS, buckets: 4, linear: true }, NOW)
  for (const minutes of [0, 5, 14, 15, 99]) table.add(NOW - minutes * 60, ['u@example'])
  const [titles, total] = table.lines().map((line) => line.trim().split(/\s+/))
  assert.deepEqual(titles, ['T', '5', '10', '15', '15+'])
  assert.deepEqual(total, ['TOTAL', '5', '1', '1', '1', '2'])
})
