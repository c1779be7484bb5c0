/**
 * Power cuts on demand, and file systems that fail.
 *
 *   node test/power-cuts.ts --cuts 1000000              from seed 1 on
 *   node test/power-cuts.ts --cuts 1000000 --seed 5000
 *   node test/power-cuts.ts --faults 10                 lives in which every 10th call of the file system fails, once
 *   node test/power-cuts.ts --case 17:2:431:0           one again, by the name that a failure has
 *   node test/power-cuts.ts --case 17:2:431:0 --show    with all changes of the disk up to the cut
 *
 * Exit status 0 when every promise was kept.
 */
import { parseArgs } from 'node:util'
import { faults, oneCase, parseCase, powerCuts, type CutsReport } from './support/disk/cuts.ts'
import { describeChanges } from './support/disk/disk.ts'

const SHOW_EVERY_MS = 10_000

const { values } = parseArgs({
  options: { cuts: { type: 'string' }, seed: { type: 'string' }, faults: { type: 'string' }, case: { type: 'string' }, show: { type: 'boolean' } },
})
const started = performance.now()
let shownAt = started

function show(report: CutsReport): void {
  const seconds = (performance.now() - started) / 1000
  process.stdout.write(`${report.cuts} cuts (${report.second} of recoveries), ${report.faults} failing calls, ${report.changes} changes, `
    + `${report.messages} queue files, ${report.failures.length} failures, ${seconds.toFixed(1)} s, ${Math.round(report.cuts / seconds)} cuts/s\n`)
}

function onLife(report: CutsReport): void {
  if (performance.now() - shownAt < SHOW_EVERY_MS) return
  shownAt = performance.now()
  show(report)
}

async function run(): Promise<CutsReport> {
  const seed = Number(values.seed ?? 1)
  if (values.faults !== undefined) return faults({ seed, codes: ['EIO', 'ENOSPC'], oneIn: Number(values.faults), onLife })
  if (values.case === undefined) return powerCuts({ cuts: Number(values.cuts ?? 100_000), seed, onLife })
  const one = parseCase(values.case)
  return oneCase(one, {
    onTrace: ({ changes, times }) => {
      if (values.show === true) process.stdout.write(describeChanges(changes.slice(0, one.cut), times))
    },
  })
}

const report = await run()
show(report)
for (const failure of report.failures) process.stdout.write(`FAIL ${failure}\n`)
process.exitCode = report.failures.length === 0 ? 0 : 1
