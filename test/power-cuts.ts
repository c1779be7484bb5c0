/**
 * Power cuts on demand.
 *
 *   node test/power-cuts.ts --cuts 1000000              from seed 1 on
 *   node test/power-cuts.ts --cuts 1000000 --seed 5000
 *   node test/power-cuts.ts --case 17:2:431:0           one again, by the name that a failure has
 *   node test/power-cuts.ts --case 17:2:431:0 --show    with all changes of the disk up to the cut
 *
 * Exit status 0 when every promise was kept.
 */
import { parseArgs } from 'node:util'
import { powerCuts, type CutsReport } from './support/disk/cuts.ts'
import { describeChanges } from './support/disk/disk.ts'
import type { Trace } from './support/disk/life.ts'

const { values } = parseArgs({ options: { cuts: { type: 'string' }, seed: { type: 'string' }, case: { type: 'string' }, show: { type: 'boolean' } } })
const started = performance.now()
let shownAt = 0

function show({ cuts, second, changes, messages, failures }: CutsReport): void {
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(`${cuts} cuts (${second} of recoveries), ${changes} changes, ${messages} queue files, ${failures.length} failures, `
    + `${seconds.toFixed(1)} s, ${Math.round(cuts / seconds)} cuts/s\n`)
}

function onChapter(report: CutsReport): void {
  if (performance.now() - shownAt < 10_000) return
  shownAt = performance.now()
  show(report)
}

const [seed, chapter, cut, trial] = (values.case ?? '').split(':').map(Number)

function onTrace({ changes, times }: Trace): void {
  if (values.show === true && values.case !== undefined) process.stdout.write(describeChanges(changes.slice(0, cut), times))
}

const report = values.case === undefined
  ? await powerCuts({ cuts: Number(values.cuts ?? 100_000), seed: Number(values.seed ?? 1), onChapter })
  : await powerCuts({ cuts: 1, seed: seed ?? 1, only: { chapter: chapter ?? 0, cut: cut ?? 0, trial: trial ?? 0 }, onTrace })
show(report)
for (const failure of report.failures) process.stdout.write(`FAIL ${failure}\n`)
process.exitCode = report.failures.length === 0 ? 0 : 1
