/**
 * Power cuts at every change of the lives of a queue: what each leaves is recovered by the code of the mail system, and
 * compared with what was promised. Some recoveries are cut too.
 *
 * With `posix` file systems, which promise less than any that is used, only losses count: since files are used again
 * (queue/spare.ts) a message that has left may come back there, case 3:1:496:2 with the check of records switched on.
 *
 * A case is named by its numbers, `seed:chapter:cut:trial`, and can be run again by `node test/power-cuts.ts --case …`.
 * The chapters of a seed follow each other: each but the first begins with what a cut left of the one before.
 */
import { recoverJournal, prepareJournal } from '#queue/journal/recover.ts'
import { segmentPaths } from '#queue/journal/folder.ts'
import { deleteSpares, prepareSpares } from '#queue/spare.ts'
import { openSpool } from '#queue/spool.ts'
import { configFrom } from '#config/load.ts'
import { substituteFiles } from '#system/files.ts'
import { restoreLog, setLog } from '#system/log.ts'
import { randomFrom, type Random } from '../../fuzz/mutate.ts'
import { silentLog } from '../silent-log.ts'
import { Disk, type Change, type Inode } from './disk.ts'
import { violations, type Cut } from './ledger.ts'
import { live, NOBODY, type Fault, type LifeOptions, type Trace } from './life.ts'
import { Remains } from './remains.ts'

const CHAPTERS = 3
const STEPS = 40
/** What one cut may leave is tried so often, each time something else. */
const TRIALS = 3
/** One recovery in so many is cut too. */
const SECOND_CUT_ONE_IN = 4
/** Cuts of a life in which a call failed. */
const FAULT_CUTS = 12
/** A record that could not be written is written again after a second. */
const FAULT_LATE_MS = 1500

/** One cut of one life: the life of a chapter, or one in which a call fails. */
export type Case = { readonly seed: number; readonly life: number | Fault; readonly cut: number; readonly trial: number }

export type CutsReport = {
  cuts: number
  /** Recoveries that were cut, in `cuts` too. */
  second: number
  /** Lives in which a call failed. */
  faults: number
  changes: number
  messages: number
  /** At most a few. */
  failures: string[]
}

type Hooks = {
  readonly onLife?: (report: CutsReport) => void
  /** Hears of the life before it is cut. */
  readonly onTrace?: (trace: Trace) => void
}

export type CutsOptions = Hooks & {
  /** How many cuts at least, rounded up to a whole chapter. */
  readonly cuts: number
  /** The first one. */
  readonly seed: number
}

export type FaultsOptions = Hooks & {
  readonly seed: number
  readonly codes: readonly string[]
  /** One call in so many fails, each in a life of its own. 1: every call. */
  readonly oneIn: number
}

const FAILURES_MAX = 20
/** From a cut to the next start. */
const DOWN_MS = 60_000

function emptyReport(): CutsReport {
  return { cuts: 0, second: 0, faults: 0, changes: 0, messages: 0, failures: [] }
}

/** Runs lives from `seed` on until there were enough cuts. */
export async function powerCuts({ cuts, seed: first, ...hooks }: CutsOptions): Promise<CutsReport> {
  const report = emptyReport()
  for (let seed = first; report.cuts < cuts && report.failures.length < FAILURES_MAX; seed += 1) {
    let begin: Begin | undefined
    for (let chapter = 0; chapter < CHAPTERS && report.cuts < cuts; chapter += 1) begin = await runChapter({ seed, life: chapter, begin, wanted: everywhere }, report, hooks)
  }
  return report
}

/** Runs one case again. */
export async function oneCase({ seed, life, cut, trial }: Case, hooks: Hooks = {}): Promise<CutsReport> {
  const report = emptyReport()
  const wanted: Wanted = (c, t) => c === cut && t === trial
  let begin: Begin | undefined
  if (typeof life === 'number') {
    for (let chapter = 0; chapter < life; chapter += 1) begin = await runChapter({ seed, life: chapter, begin, wanted: () => false }, report, {})
  }
  await runChapter({ seed, life, begin, wanted }, report, hooks)
  return report
}

/** Lives in which one call of the file system fails: a few cuts after it, in each. */
export async function faults({ seed, codes, oneIn, ...hooks }: FaultsOptions): Promise<CutsReport> {
  const report = emptyReport()
  const { calls } = await live({ ...lifeOf(seed, 0), steps: STEPS })
  for (let nth = 1 + (seed % oneIn); nth <= calls && report.failures.length < FAILURES_MAX; nth += oneIn) {
    for (const code of codes) {
      const wanted: Wanted = (cut, trial, length) => trial === 0 && randomAt(`${seed}:${nth}`, cut, 0)(length) < FAULT_CUTS
      await runChapter({ seed, life: { nth, code }, begin: undefined, wanted }, report, hooks)
    }
  }
  return report
}

/** `17:2:431:0`, or `17:830EIO:431:0`. @throws {SyntaxError} */
export function parseCase(text: string): Case {
  const match = /^(\d+):(\d+)([A-Z]*):(\d+):(\d+)$/.exec(text)
  if (!match) throw new SyntaxError(`no case has the name "${text}"`)
  const [, seed, life, code = '', cut, trial] = match
  return { seed: Number(seed), life: code === '' ? Number(life) : { nth: Number(life), code }, cut: Number(cut), trial: Number(trial) }
}

function everywhere(): boolean {
  return true
}

/** What an earlier chapter left. */
type Begin = { readonly root: Inode; readonly ledger: Trace['ledger'] }
/** Which cuts are made; `length`: how many changes there are. */
type Wanted = (cut: number, trial: number, length: number) => boolean
type Chapter = { readonly seed: number; readonly life: number | Fault; readonly begin: Begin | undefined; readonly wanted: Wanted }

function lifeOf(seed: number, chapter: number): Pick<LifeOptions, 'seed' | 'kind' | 'queueCommit'> {
  return { seed: seed * CHAPTERS + chapter, kind: seed % 3 === 0 ? 'posix' : 'ordered', queueCommit: seed % 7 === 6 ? 'fsync' : 'journal' }
}

async function runChapter({ seed, life, begin, wanted }: Chapter, report: CutsReport, { onLife, onTrace }: Hooks): Promise<Begin> {
  const isChapter = typeof life === 'number'
  const options = lifeOf(seed, isChapter ? life : 0)
  const place = `${seed}:${isChapter ? life : `${life.nth}${life.code}`}`
  const trace = await live({ ...options, steps: STEPS, ...(begin ? { begin } : {}), ...(isChapter ? {} : { fault: life }) })
  for (const problem of trace.problems) fail(report, `${place}:0:0 ${problem}`)
  onTrace?.(trace)
  const how = { kind: options.kind, records: options.queueCommit === 'journal' && options.kind === 'ordered', lateMs: isChapter ? 0 : FAULT_LATE_MS }
  const next = await new Cutter(trace, how, place, report).run(wanted)
  report.changes += trace.changes.length
  report.messages += trace.ledger.instances.length
  if (!isChapter) report.faults += 1
  onLife?.(report)
  return next
}

function fail(report: CutsReport, text: string): void {
  if (report.failures.length < FAILURES_MAX) report.failures.push(text)
}

/** Cuts one chapter at each of its changes. */
class Cutter {
  readonly #trace: Trace
  readonly #how: Omit<Cut, 'at' | 'ms'>
  readonly #place: string
  readonly #report: CutsReport

  constructor(trace: Trace, how: Omit<Cut, 'at' | 'ms'>, place: string, report: CutsReport) {
    this.#trace = trace
    this.#how = how
    this.#place = place
    this.#report = report
  }

  /** Returns where the next chapter begins. */
  async run(wanted: Wanted): Promise<Begin> {
    const { changes, remains, ledger } = this.#trace
    const next = randomAt(this.#place, -1, 0)(changes.length) + 1
    let begin: Begin | undefined
    for (let cut = 0; cut <= changes.length; cut += 1) {
      const change = changes[cut - 1]
      if (change) remains.add(cut - 1, change)
      if (cut === next) begin = { root: remains.afterCut(randomAt(this.#place, cut, -1)), ledger: ledger.after(cut, this.#ms(cut)) }
      for (let trial = 0; trial < TRIALS; trial += 1) {
        if (wanted(cut, trial, changes.length)) await this.#cut(cut, trial)
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
    prepareSpares(SPOOL, NOBODY)
    await recoverJournal(SPOOL, NOBODY)
    deleteSpares(SPOOL, NOBODY)
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
