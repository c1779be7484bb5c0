/**
 * Power cuts at every change of the lives of a queue: what each leaves is recovered by the code of the mail system, and
 * compared with what was promised. Some recoveries are cut too.
 *
 * A case is named by its numbers, `seed:chapter:cut:trial`, and can be run again by `node test/power-cuts.ts --case …`.
 * The chapters of a seed follow each other: each but the first begins with what a cut left of the one before.
 */
import { recoverJournal, prepareJournal } from '#queue/journal/recover.ts'
import { segmentPaths } from '#queue/journal/folder.ts'
import { openSpool } from '#queue/spool.ts'
import { configFrom } from '#config/load.ts'
import { substituteFiles } from '#system/files.ts'
import { restoreLog, setLog } from '#system/log.ts'
import { randomFrom, type Random } from '../../fuzz/mutate.ts'
import { silentLog } from '../silent-log.ts'
import { Disk, type Change, type Inode } from './disk.ts'
import { violations, type Cut } from './ledger.ts'
import { live, NOBODY, type Trace } from './life.ts'
import { Remains, type FileSystemKind } from './remains.ts'

const CHAPTERS = 3
const STEPS = 40
/** What one cut may leave is tried so often, each time something else. */
const TRIALS = 3
/** One recovery in so many is cut too. */
const SECOND_CUT_ONE_IN = 4

export type CutsOptions = {
  /** How many cuts at least, rounded up to a whole chapter. */
  readonly cuts: number
  readonly seed: number
  /** Only this one. */
  /** Not more than so many seeds. */
  readonly seedsMax?: number
  readonly only?: { readonly chapter: number; readonly cut: number; readonly trial: number }
  readonly onChapter?: (report: CutsReport) => void
  /** Hears of the life that `only` is about. */
  readonly onTrace?: (trace: Trace) => void
}

export type CutsReport = {
  cuts: number
  /** Recoveries that were cut, in `cuts` too. */
  second: number
  changes: number
  messages: number
  /** At most a few. */
  failures: string[]
}

const FAILURES_MAX = 20
/** From a cut to the next start. */
const DOWN_MS = 60_000

/** Runs lives from `seed` on until there were enough cuts. */
export async function powerCuts(options: CutsOptions): Promise<CutsReport> {
  const report: CutsReport = { cuts: 0, second: 0, changes: 0, messages: 0, failures: [] }
  const { cuts, seed: first, seedsMax = Infinity, only } = options
  for (let seed = first; report.cuts < cuts && seed < first + seedsMax && report.failures.length < FAILURES_MAX; seed += 1) {
    await runSeed(seed, options, report)
    if (only) break
  }
  return report
}

async function runSeed(seed: number, options: CutsOptions, report: CutsReport): Promise<void> {
  const kind: FileSystemKind = seed % 3 === 0 ? 'posix' : 'ordered'
  const last = options.only?.chapter ?? CHAPTERS - 1
  let begin: { root: Inode; ledger: Trace['ledger'] } | undefined
  for (let chapter = 0; chapter <= last; chapter += 1) {
    const place = `${seed}:${chapter}`
    const queueCommit = seed % 7 === 6 ? 'fsync' : 'journal'
    const trace = await live({ seed: seed * CHAPTERS + chapter, steps: STEPS, kind, queueCommit, ...(begin ? { begin } : {}) })
    for (const problem of trace.problems) fail(report, `${place}: ${problem}`)
    const cutter = new Cutter(trace, { kind, records: queueCommit === 'journal' }, place, report)
    const wanted = options.only?.chapter === chapter ? options.only : undefined
    if (wanted ?? !options.only) options.onTrace?.(trace)
    begin = await cutter.run(wanted ?? (options.only ? 'none' : 'all'))
    report.changes += trace.changes.length
    report.messages += trace.ledger.instances.length
    options.onChapter?.(report)
    if (report.cuts >= options.cuts && !options.only) return
  }
}

function fail(report: CutsReport, text: string): void {
  if (report.failures.length < FAILURES_MAX) report.failures.push(text)
}

/** Cuts one chapter at each of its changes. */
class Cutter {
  readonly #trace: Trace
  readonly #how: Pick<Cut, 'kind' | 'records'>
  readonly #place: string
  readonly #report: CutsReport

  constructor(trace: Trace, how: Pick<Cut, 'kind' | 'records'>, place: string, report: CutsReport) {
    this.#trace = trace
    this.#how = how
    this.#place = place
    this.#report = report
  }

  /** Returns where the next chapter begins. */
  async run(which: 'all' | 'none' | { readonly cut: number; readonly trial: number }): Promise<{ root: Inode; ledger: Trace['ledger'] }> {
    const { changes, remains, ledger } = this.#trace
    const next = randomAt(this.#place, -1, 0)(changes.length) + 1
    let begin: { root: Inode; ledger: Trace['ledger'] } | undefined
    for (let cut = 0; cut <= changes.length; cut += 1) {
      const change = changes[cut - 1]
      if (change) remains.add(cut - 1, change)
      if (cut === next) begin = { root: remains.afterCut(randomAt(this.#place, cut, -1)), ledger: ledger.after(cut, this.#ms(cut)) }
      if (which === 'none') continue
      for (let trial = 0; trial < TRIALS; trial += 1) {
        if (which === 'all' || (which.cut === cut && which.trial === trial)) await this.#cut(cut, trial)
      }
    }
    return begin ?? { root: remains.afterCut(randomAt(this.#place, changes.length, -1)), ledger: ledger.after(changes.length, this.#ms(changes.length)) }
  }

  #ms(cut: number): number {
    return this.#trace.times[cut - 1] ?? this.#trace.times[0] ?? 0
  }

  async #cut(cut: number, trial: number): Promise<void> {
    this.#report.cuts += 1
    const random = randomAt(this.#place, cut, trial)
    const { ledger, remains } = this.#trace
    const name = `${this.#place}:${cut}:${trial}`
    try {
      let root = remains.afterCut(random)
      if (random(SECOND_CUT_ONE_IN) === 0) root = await this.#cutAgain(root, random, this.#ms(cut))
      await recover(root, this.#ms(cut))
      for (const problem of violations(ledger, root, { at: cut, ms: this.#ms(cut), ...this.#how })) {
        fail(this.#report, `${name} (${this.#how.kind}): ${problem}`)
      }
    } catch (error) {
      fail(this.#report, `${name} (${this.#how.kind}): ${error instanceof Error ? error.stack ?? '' : String(error)}`)
    }
  }

  /** Cuts a recovery somewhere. */
  async #cutAgain(root: Inode, random: Random, ms: number): Promise<Inode> {
    this.#report.cuts += 1
    this.#report.second += 1
    const remains = new Remains(this.#how.kind, root, random)
    const changes = await recover(root, ms, [])
    const cut = random(changes.length + 1)
    for (const [number, change] of changes.slice(0, cut).entries()) remains.add(number, change)
    return remains.afterCut(random)
  }
}

/** As master does it at its start, a minute after the cut at `ms`. */
async function recover(root: Inode, ms: number, changes?: Change[]): Promise<Change[]> {
  const disk = new Disk({ now: () => 0, pass: () => undefined, device: () => Promise.resolve() }, root)
  disk.changes = changes
  const before = setLog(silentLog)
  const { setImmediate } = globalThis
  const { now } = Date
  // Nothing else waits for its turn.
  Object.assign(globalThis, { setImmediate: queueMicrotask })
  Date.now = () => Math.trunc(ms) + DOWN_MS
  using files = substituteFiles(disk.files)
  try {
    prepareJournal(SPOOL, NOBODY)
    await recoverJournal(SPOOL, NOBODY)
    if (segmentPaths(SPOOL).length > 0) throw new Error('segments are left after recovery')
  } finally {
    Object.assign(globalThis, { setImmediate })
    Date.now = now
    restoreLog(before)
  }
  void files
  return changes ?? []
}

const SPOOL = openSpool(configFrom({ queue_directory: '/recovery', hash_queue_depth: '1' }))

/** Numbers that depend on nothing but the name of the case. */
function randomAt(place: string, cut: number, trial: number): Random {
  let hash = 0x811c9dc5
  for (const char of `${place}:${cut}:${trial}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193)
  const random = randomFrom(hash)
  for (let i = 0; i < 4; i += 1) random(2)
  return random
}
