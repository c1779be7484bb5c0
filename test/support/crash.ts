/**
 * Kills processes of a mail system under load, and accounts for every message afterwards.
 *
 * Twenty sessions send numbered messages to all kinds of recipients: relayed, refused by the far end, deferred by it,
 * in a virtual and in a local mailbox, several at once. After the last kill each message that was acknowledged must have
 * arrived everywhere, whatever arrived twice must have been under way at a kill, and the queue must be empty.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isSamePageCache, pageCacheId } from '#system/page-cache.ts'
import { randomFrom } from '#test/fuzz/mutate.ts'
import { Load, type Envelope } from './load.ts'
import { processGroup, workersOf } from './processes.ts'
import { startSink, type Sink, type Taken } from './sink.ts'
import { queueFiles } from './system-mail.ts'
import { eventually, startSystem, type MailSystem, type SystemOptions } from './system.ts'

/** A service by its name in master.cf, `smtpd`, master alone, or the whole process group. */
export type Victim = string

export type CrashOptions = {
  readonly victims: readonly Victim[]
  readonly main?: SystemOptions['main']
  /** Decides how many messages pass between two kills. */
  readonly seed?: number
}

/** What a run came to; every number is a count of messages or of their recipients. */
export type CrashReport = {
  readonly kills: number
  readonly acknowledged: number
  readonly recipients: number
  /** `number recipient` of what was acknowledged and did not arrive. */
  readonly missing: readonly string[]
  readonly duplicates: readonly string[]
  /** Duplicates of what was not under way at a kill. */
  readonly unexplained: readonly string[]
  /** Messages that recovery wrote back, although the page cache was there all the time. */
  readonly restored: readonly string[]
  /** Files still in the queue, but for unfinished ones. */
  readonly left: readonly string[]
  /** Files in incoming/ whose writer was killed: nobody was told that they are accepted. Postfix purges them after a week. */
  readonly unfinished: readonly string[]
}

const SESSIONS = 20
/** Messages acknowledged between two kills. */
const BETWEEN_MIN = 20
const BETWEEN_MAX = 160
const PACE_MS = 25
const BODY_BYTES = 2000
/** From a flush to an empty queue. */
const DRAIN_MS = 15_000
const DRAIN_ATTEMPTS = 5
/** The owner's execute bit: the file is a whole message. */
const READY = 0o100

/** All retries come soon. */
const IMPATIENT = {
  minimal_backoff_time: '1s', maximal_backoff_time: '2s', queue_run_delay: '1s', transport_retry_time: '1s',
  service_throttle_time: '1s',
  bounce_queue_lifetime: '1h', ipc_timeout: '20s', smtp_connect_timeout: '5s', recipient_delimiter: '+',
} as const

/** Recipients of message N. */
export function envelopeOf(number: number): Envelope {
  const from = `sender-${number}@client.example`
  switch (number % 10) {
    case 0: return { from, to: [`reject-${number}@far.example`] }
    case 1: return { from, to: [`v-${number}@example.org`] }
    case 2: return { from, to: [`box+${number}@localhost`] }
    case 3: return { from, to: [`later-${number}@far.example`] }
    case 4: return { from, to: [`a-${number}@far.example`, `b-${number}@other.example`, `v-${number}@example.org`] }
    default: return { from, to: [`n-${number}@far.example`] }
  }
}

async function killOne(system: MailSystem, victim: Victim, announce: () => void, killed: () => void): Promise<void> {
  const master = system.pid
  const masterLives = (): boolean => processGroup(master).some(({ pid }) => pid === master)
  if (victim === 'master' || victim === 'group') {
    announce()
    process.kill(victim === 'group' ? -master : master, 'SIGKILL')
    killed()
    await eventually('the end of master', () => masterLives() ? undefined : true)
    await system.start()
    return
  }
  const name = victim === 'smtpd' ? `127.0.0.1:${system.port('smtp')}` : victim
  const [worker] = await eventually(`a worker for ${victim}`, () => {
    const found = workersOf(master, name)
    return found.length > 0 ? found : undefined
  })
  announce()
  process.kill(worker?.pid ?? assert.fail(), 'SIGKILL')
  killed()
}

/** A kill: how many lines the log had by then, and how many before what may still have been on its way to the journal. */
type Mark = { readonly victim: Victim; readonly line: number; readonly since: number }

/** design: a message that left within this time before a crash may be delivered once more. */
const IN_FLIGHT_MS = 100
const SAMPLE_MS = 10

/** How long the log was at which time: lines carry seconds only. */
class LogClock implements Disposable {
  readonly #file: string
  readonly #samples: { readonly at: number; readonly size: number }[] = [{ at: 0, size: 0 }]
  readonly #timer: NodeJS.Timeout

  constructor(system: MailSystem) {
    this.#file = join(system.home, 'maillog')
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS)
  }

  /** Lines in the log now, and those that were there `IN_FLIGHT_MS` ago; a sample too early rather than too late. */
  mark(victim: Victim): Mark {
    const at = performance.now()
    const before = this.#samples.findLast((sample) => sample.at <= at - IN_FLIGHT_MS)?.size ?? 0
    const bytes = readFileSync(this.#file)
    return { victim, line: linesIn(bytes), since: linesIn(bytes.subarray(0, before)) }
  }

  #sample(): void {
    this.#samples.push({ at: performance.now(), size: statSync(this.#file).size })
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer)
  }
}

function linesIn(bytes: Buffer): number {
  let count = 0
  for (let at = bytes.indexOf(0x0a); at >= 0; at = bytes.indexOf(0x0a, at + 1)) count += 1
  return count
}

/** How often each `number recipient` arrived; notices count for the recipient they are about. */
function arrivals(system: MailSystem, sink: Sink): Map<string, number> {
  const counts = new Map<string, number>()
  const count = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)
  for (const { number, recipient, notice } of sink.taken) {
    count(`${number} ${notice ? `reject-${number}@far.example` : recipient}`)
  }
  for (const folder of ['box', 'local']) {
    for (const mail of system.maildir(folder)) {
      const number = /^Subject: number (\d+)$/m.exec(mail)?.[1] ?? 'no number'
      // Each number has at most one recipient in a mailbox.
      count(folder === 'box' ? `${number} v-${number}@example.org` : `${number} box+${number}@localhost`)
    }
  }
  return counts
}

/** Of what the sink took twice: the second time with no kill since the first one began. */
function unexplainedAtSink(taken: readonly Taken[], excused: (number: number, queueId: string) => boolean): string[] {
  const first = new Map<string, Taken>()
  return taken.flatMap((each) => {
    const key = `${each.number} ${each.recipient} ${each.notice}`
    const before = first.get(key)
    if (!before) first.set(key, each)
    if (!before || each.ended > before.begun || excused(each.number, before.queueId)) return []
    return [`${key} (${before.queueId}, ${each.queueId})`]
  })
}

/**
 * Messages that the journal may bring back although they were removed: it hears of a removal up to 100 ms later, so
 * what qmgr removed that shortly before it was killed may come again, and nothing else.
 */
function broughtBack(lines: readonly string[], marks: readonly Mark[]): Set<string> {
  const restored = new Set(restoredMessages(lines))
  const mayReturn = ([at, line]: readonly [number, string]): boolean => {
    const next = marks.find((mark) => mark.line > at)
    return line.endsWith(': removed') && next !== undefined && at >= next.since && (next.victim === 'qmgr' || next.victim === 'group')
  }
  const removed = [...lines.entries()].filter(mayReturn).map(([, line]) => queueIdIn(line))
  // Killed between the removal and its line.
  const unlogged = [...restored].filter((id) => {
    const at = lines.findIndex((line) => line.includes(`${id}: restored`))
    return !lines.slice(0, at).some((line) => line.endsWith(`${id}: removed`))
  })
  return new Set([...removed, ...unlogged].filter((id) => restored.has(id)))
}

function restoredMessages(lines: readonly string[]): string[] {
  return lines.flatMap((line) => /: (\w+): restored from the intake journal$/.exec(line)?.[1] ?? [])
}

function isKnown(pageCache: Uint8Array): boolean {
  return isSamePageCache(pageCache, pageCache)
}

/** Bounce died before it could say that it had written the record: the recipient is tried, and reported, again. */
function reportedAgain(lines: readonly string[]): string[] {
  return lines.filter((line) => line.endsWith('status=deferred (bounce or trace service failure)')).map(queueIdIn)
}

/** Killed between a notice and the end of the record that it was made from: the next bounce makes it again. */
function noticedAgain(lines: readonly string[], marks: readonly Mark[]): string[] {
  const first = new Map<string, number>()
  return [...lines.entries()].flatMap(([at, line]) => {
    if (!line.includes(': sender non-delivery notification: ')) return []
    const id = queueIdIn(line)
    const before = first.get(id)
    if (before === undefined) first.set(id, at)
    return before !== undefined && marks.some((mark) => mark.line > before && mark.line <= at) ? [id] : []
  })
}

/** Notices that a log line names. Whoever made another one was killed before it could say so: the next bounce makes it again. */
function namedNotices(lines: readonly string[]): ReadonlySet<string> {
  return new Set(lines.flatMap((line) => / sender non-delivery notification: (\w+)$/.exec(line)?.[1] ?? []))
}

function queueIdIn(line: string): string {
  return /^postfix\/\w+\[\d+\]: (\w+): /.exec(line)?.[1] ?? ''
}

/** Delivery lines of messages that were already removed. */
function deliveredAfterRemoval(lines: readonly string[], excused: ReadonlySet<string>): string[] {
  const removed = new Set<string>()
  return lines.filter((line) => {
    const id = queueIdIn(line)
    if (line.endsWith(': removed')) removed.add(id)
    return removed.has(id) && line.includes(': to=<') && !excused.has(id)
  })
}

/** Files without the execute bit in incoming/. */
function unfinishedFiles({ spool }: MailSystem): string[] {
  return readdirSync(join(spool, 'incoming')).filter((name) => {
    const facts = statSync(join(spool, 'incoming', name), { throwIfNoEntry: false })
    return facts !== undefined && (facts.mode & READY) === 0
  }).map((name) => `incoming/${name}`)
}

function leftFiles(system: MailSystem): string[] {
  const unfinished = new Set(unfinishedFiles(system))
  return queueFiles(system).filter((path) => !unfinished.has(path))
}

function missingOf(load: Load, counts: ReadonlyMap<string, number>): string[] {
  const all = [...load.acknowledged].flatMap(([number, to]) => to.map((recipient) => `${number} ${recipient}`))
  return all.filter((key) => !counts.has(key))
}

/**
 * Waits until nothing is missing and the queue is empty, or nothing helps any more. Messages that were still being
 * delivered when a new queue manager came wait for a minute, then for the next wakeup: a flush takes them at once.
 */
async function drain(system: MailSystem, sink: Sink, load: Load): Promise<void> {
  const done = (): boolean => leftFiles(system).length === 0 && missingOf(load, arrivals(system, sink)).length === 0
  for (let attempt = 0; attempt < DRAIN_ATTEMPTS; attempt++) {
    const { status, stderr } = await system.command('postqueue', ['-f'])
    assert.equal(status, 0, stderr)
    try {
      await eventually('the end of the queue', () => done() ? true : undefined, DRAIN_MS)
      return
    } catch {
      // In the end the report says what is missing.
    }
  }
}

/** Runs the kills, one after the other, each under load. */
export async function crash({ victims, main = {}, seed = 1 }: CrashOptions): Promise<CrashReport> {
  await using sink = await startSink()
  await using system = await startSystem({
    main: { ...IMPATIENT, relayhost: `[127.0.0.1]:${sink.port}`, alias_maps: 'texthash:@HOME@/etc/aliases', ...main },
    files: { aliases: 'box @HOME@/mail/local/\n' },
  })
  const load = new Load({
    port: system.port('smtp'), sessions: SESSIONS, envelope: envelopeOf, paceMs: PACE_MS, bodyBytes: BODY_BYTES,
  })
  const random = randomFrom(seed)
  const messagesBetween = (): number => BETWEEN_MIN + random(BETWEEN_MAX - BETWEEN_MIN)
  const marks: Mark[] = []
  using clock = new LogClock(system)
  try {
    for (const victim of victims) {
      const enough = load.acknowledged.size + messagesBetween()
      await eventually(`messages after kill ${marks.length}`, () => load.acknowledged.size >= enough ? true : undefined)
      const killed = (): void => void marks.push(clock.mark(victim))
      await killOne(system, victim, () => void (sink.round += 1), killed)
    }
  } catch (error) {
    throw new Error(`after ${marks.length} kills: ${String(error)}\n${system.log().slice(-60).join('\n')}`, { cause: error })
  } finally {
    await load.stop()
  }
  await drain(system, sink, load)
  const counts = arrivals(system, sink)
  const lines = system.log()
  const back = broughtBack(lines, marks)
  const excused = new Set([...back, ...reportedAgain(lines), ...noticedAgain(lines, marks)])
  const [named, notices] = [namedNotices(lines), new Set(sink.taken.filter(({ notice }) => notice).map(({ queueId }) => queueId))]
  const isUnsaid = (id: string): boolean => notices.has(id) && !named.has(id)
  const report: CrashReport = {
    kills: marks.length,
    acknowledged: load.acknowledged.size,
    recipients: [...load.acknowledged.values()].flat().length,
    missing: missingOf(load, counts),
    duplicates: [...counts].filter(([, times]) => times > 1).map(([key, times]) => `${key} × ${times}`),
    unexplained: [
      ...unexplainedAtSink(sink.taken, (number, first) => excused.has(load.queueIds.get(number) ?? '') || isUnsaid(first)),
      ...deliveredAfterRemoval(lines, back),
    ],
    restored: isKnown(pageCacheId(system.spool)) ? restoredMessages(lines) : [],
    left: leftFiles(system),
    unfinished: unfinishedFiles(system),
  }
  const logFile = process.env['POSTHORN_CRASH_LOG']
  if (logFile !== undefined) writeFileSync(logFile, explain(system, load, report))
  return report
}

/** For people: the report, and the whole log. */
function explain(system: MailSystem, load: Load, report: CrashReport): string {
  const more = { refusals: [...load.refusals], unanswered: load.unanswered.size, queueIds: [...load.queueIds] }
  return [JSON.stringify({ ...report, ...more }), ...system.log(), ''].join('\n')
}

/** What must hold after any kill. */
export function assertNothingLost(report: CrashReport): void {
  assert.deepEqual(report.missing, [], `acknowledged, and not arrived: ${report.missing.length} of ${report.recipients}`)
  assert.deepEqual(report.unexplained, [], 'arrived twice, although not under way at a kill')
  assert.deepEqual(report.restored, [], 'brought back after the end of processes alone')
  assert.deepEqual(report.left, [], 'the queue is not empty')
  assert.ok(report.unfinished.length <= report.kills * SESSIONS, `${report.unfinished.length} unfinished files`)
}

/** One line for the record of a run. */
export function summary({ kills, acknowledged, recipients, missing, duplicates, unfinished }: CrashReport): string {
  return `${kills} kills: ${acknowledged} messages to ${recipients} recipients acknowledged, ${missing.length} missing, `
    + `${duplicates.length} arrived twice, ${unfinished.length} unfinished files`
}

/** Of all kills of a run of the level; `npm run crash` on demand, fewer in CI. */
const KILLS = Number(process.env['POSTHORN_CRASH_KILLS'] ?? 300)
/** What the numbers in the tests add up to. */
const KILLS_WRITTEN = 50

/** So many more, or fewer, of each as POSTHORN_CRASH_KILLS asks for; at least one. */
export function scaled(counts: Readonly<Record<Victim, number>>): Record<Victim, number> {
  const factor = KILLS / KILLS_WRITTEN
  return Object.fromEntries(Object.entries(counts).map(([victim, count]) => [victim, Math.max(1, Math.round(count * factor))]))
}

/** As many of each victim, in an order that the seed decides. */
export function shuffled(counts: Readonly<Record<Victim, number>>, seed: number): Victim[] {
  const random = randomFrom(seed)
  const all = Object.entries(counts).flatMap(([victim, count]) => Array.from({ length: count }, () => victim))
  const keyed = all.map((victim) => ({ victim, key: random(1_000_000) }))
  return keyed.toSorted((a, b) => a.key - b.key).map(({ victim }) => victim)
}
