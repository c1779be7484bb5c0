/**
 * A queue full of deferred messages: start, listing, removal, memory of the queue manager.
 *
 * The messages are copies of one that the server itself has deferred, with their logs, and due in an hour; one among
 * them is due now. `postfix start` includes what it checks of the queue (Postfix looks at every file before it starts).
 */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { BenchCase, Context, Figure, Figures } from '#test/bench/case.ts'
import { runSource, startNativeSink } from '#test/bench/native.ts'
import { processesNamed, processPeakKb } from '#test/bench/processes.ts'
import type { BenchServer } from '#test/bench/servers.ts'
import { getpwnam } from '#system/users.ts'
import { eventually } from '#test/support/system.ts'

/** Within maximal_backoff_time, as real ones are. */
const WAIT_SECONDS = 3600
const PATIENCE_MS = 600_000
/** Where in the order of the ids the message is that is due; any other would do. */
const DUE_AT = 123_457

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

/** A deferred message and its log, as this server writes them. */
type Template = Disposable & { readonly message: string; readonly log: string }

async function makeTemplate(context: Context): Promise<Template> {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-bench-template-'))
  const paths = { message: join(folder, 'message'), log: join(folder, 'log') }
  await using server = await context.startServer({ main: { defer_transports: 'smtp', relayhost: '[127.0.0.1]:9' } })
  await runSource(context.tools, { port: server.port(), messages: 1 })
  const found = (): true | undefined => filesBelow(join(server.spool, 'deferred')).length > 0 ? true : undefined
  await eventually('a deferred message', found).catch((error: unknown) => {
    throw new Error(`${context.kind}: ${String(error)}\n${server.log()}`)
  })
  await server.stop()
  copyFileSync(filesBelow(join(server.spool, 'deferred'))[0] ?? '', paths.message)
  copyFileSync(filesBelow(join(server.spool, 'defer'))[0] ?? '', paths.log)
  return { ...paths, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

/** @returns The queue id of the last one. */
function fill(context: Context, server: BenchServer, { message, log }: Template, options: { count: number; at: number; from: number }): string {
  const { uid, gid } = getpwnam('postfix') ?? { uid: 0, gid: 0 }
  const words = { spool: server.spool, message, log, uid, gid, ...options }
  const { status, stdout, stderr } = spawnSync(context.tools.path('fill'), Object.entries(words).map(([name, value]) => `${name}=${value}`), { encoding: 'utf8' })
  if (status !== 0) throw new Error(`fill: ${stderr}`)
  return stdout.trim()
}

/** A command whose output is as long as the queue: only its last line is kept. */
function timed(server: BenchServer, name: string, args: readonly string[]): { ms: number; last: string } {
  const started = performance.now()
  const { stdout } = spawnSync('/bin/sh', ['-c', '"$@" 2>&1 | tail -n 1', 'sh', ...server.command(name, args)], { encoding: 'utf8' })
  return { ms: performance.now() - started, last: stdout.trim() }
}

/** Seconds from `postfix start` to the delivery of a new message, and of the one that is due. */
async function startUp(context: Context, server: BenchServer, due: string): Promise<{ fresh: number; due: number }> {
  const started = performance.now()
  const seconds = (): number => (performance.now() - started) / 1000
  await server.start()
  const sent = (id: RegExp): number | undefined => id.test(server.log()) ? seconds() : undefined
  let dueAfter: number | undefined
  const look = (): void => { dueAfter ??= sent(new RegExp(`: ${due}: to=<.*status=sent`)) }
  await runSource(context.tools, { port: server.port(), messages: 1, to: 'fresh.example' })
  const fresh = await eventually('the delivery of a new message', () => {
    look()
    return sent(/to=<recipient@fresh\.example>.*status=sent/)
  }, PATIENCE_MS)
  await eventually('the delivery of the message that is due', () => {
    look()
    return dueAfter
  }, PATIENCE_MS)
  return { fresh, due: dueAfter ?? Number.NaN }
}

async function run(context: Context): Promise<Figures> {
  const { amount } = context
  using template = await makeTemplate(context)
  await using sink = await startNativeSink(context.tools)
  await using server = context.newServer({ main: { relayhost: `[127.0.0.1]:${sink.port}` } })
  await server.configure()
  // The first start makes the directories.
  await server.start()
  await server.stop()
  const now = Math.trunc(Date.now() / 1000)
  fill(context, server, template, { count: amount - 1, at: now + WAIT_SECONDS, from: 0 })
  const due = fill(context, server, template, { count: 1, at: now - 10, from: DUE_AT })
  const first = await startUp(context, server, due)
  const [qmgr = 0] = processesNamed(server.pid, 'qmgr')
  const mailq = timed(server, 'postqueue', ['-p'])
  if (!mailq.last.includes(` in ${amount - 1} Request`)) throw new Error(`${server.kind}: postqueue -p ends with: ${mailq.last}`)
  const peakKb = processPeakKb(qmgr)
  const removal = timed(server, 'postsuper', ['-d', 'ALL'])
  const left = filesBelow(join(server.spool, 'deferred')).length
  if (left > 0) throw new Error(`${server.kind}: ${left} messages are left after postsuper -d ALL: ${removal.last}`)
  const { messages } = await sink.report()
  if (messages !== 2) throw new Error(`${server.kind}: ${messages} of 2 messages have arrived`)
  return {
    'start to delivery of a new message': first.fresh, 'start to delivery of one due': first.due,
    'postqueue -p': mailq.ms / 1000, 'postsuper -d ALL': removal.ms / 1000, 'qmgr, most resident': peakKb / 1024,
  }
}

const FIGURES: readonly Figure[] = [
  { name: 'start to delivery of a new message', unit: 's', better: 'less' }, { name: 'start to delivery of one due', unit: 's', better: 'less' },
  { name: 'postqueue -p', unit: 's', better: 'less' }, { name: 'postsuper -d ALL', unit: 's', better: 'less' },
  { name: 'qmgr, most resident', unit: 'MB', better: 'less' },
]

function deferred(name: string, amount: number, quickAmount: number): BenchCase {
  return {
    name, title: `${amount.toLocaleString('en')} deferred messages, one of them due`,
    target: '≥ 2 × faster than postfix\'s; memory of qmgr ≤ postfix\'s + 100 MB, and not growing with the queue',
    amount, quickAmount, repeatMax: 1, figures: FIGURES, run,
  }
}

export const DEFERRED_CASES: readonly BenchCase[] = [deferred('deferred-100k', 100_000, 300), deferred('deferred-1m', 1_000_000, 2000)]
