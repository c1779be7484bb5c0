/** Cases that send a number of messages and wait until all have left the queue. */
import type { BenchCase, Context, Figure, Figures } from './case.ts'
import { runSource, startNativeSink, type LoadOptions, type LoadReport, type NativeSink, type SinkReport } from './native.ts'
import { watchPss } from './processes.ts'
import type { BenchServer, ServerSetup } from './servers.ts'

/** Longest wait for the queue to run empty. */
export const PATIENCE_MS = 300_000

/**
 * Messages before the measurement where the case asks how fast a server is that runs for long: new processes compile
 * and fill their caches meanwhile. The same for all servers.
 */
const STEADY_MESSAGES = 10_000

/** What differs between two such cases. */
export type LoadCase = {
  readonly name: string
  readonly title: string
  readonly target: string
  readonly amount: number
  readonly quickAmount: number
  /** Options of source.c besides port and messages. */
  readonly load: LoadOptions
  /** Recipients of one message. */
  readonly recipients?: number
  readonly sinkDelayMs?: number
  /** What the server is; `sink` is the port that mail is relayed to. */
  readonly setup?: (sink: number, context: Context) => ServerSetup
  /** Further figures, by name, from what the source and the sink said, and the seconds from first to last. */
  readonly more?: (load: LoadReport, seconds: number, sink: SinkReport) => Figures
  readonly moreFigures?: readonly Figure[]
  readonly needsTls?: boolean
  /** Which of the figures is compared first. */
  readonly first?: string
  /** Name of the port in master.cf that the load goes to. */
  readonly port?: string
  /** What is done between the configuration of the server and its start. */
  readonly prepare?: (server: BenchServer, context: Context) => void
  /** Whether the mail goes to the sink; else `arrived` counts it. */
  readonly arrived?: (server: BenchServer) => number
  /** Services that the server asks, running before it starts. */
  readonly services?: (context: Context) => Promise<AsyncDisposable & { readonly setup: ServerSetup }>
  /** Measures after a long run; else after a quarter of the messages. */
  readonly steady?: boolean
  /** Looks at the memory of all processes while messages come. */
  readonly memory?: boolean
}

const FIGURES: readonly Figure[] = [
  { name: 'end to end', unit: 'msg/s', better: 'more' },
  { name: 'accepted', unit: 'msg/s', better: 'more' },
  { name: 'CPU of all its processes', unit: 'ms/msg', better: 'less' },
  { name: 'final 250, p50', unit: 'ms', better: 'less' },
  { name: 'final 250, p99', unit: 'ms', better: 'less' },
  { name: 'CPU of the load', unit: 'ms/msg', better: 'less', plain: true },
]

function relay(sink: number): ServerSetup {
  return { main: { relayhost: `[127.0.0.1]:${sink}` } }
}

function merged(a: ServerSetup, b: ServerSetup): ServerSetup {
  return {
    ...a, ...b, main: { ...a.main, ...b.main }, master: [...(a.master ?? []), ...(b.master ?? [])], files: { ...a.files, ...b.files },
  }
}

async function send(server: BenchServer, { load, port }: LoadCase, context: Context, messages: number): Promise<LoadReport & { total: number }> {
  const started = performance.now()
  const report = await runSource(context.tools, { port: server.port(port), ...load, messages })
  await server.waitForRemoved(messages, PATIENCE_MS)
  return { ...report, total: (performance.now() - started) / 1000 }
}

/** `total`: messages since the start, of which `messages` are new at the sink. */
async function arrived(server: BenchServer, bench: LoadCase, sink: NativeSink, total: number, messages: number): Promise<SinkReport> {
  const report = await sink.report()
  const [found, wanted] = bench.arrived ? [bench.arrived(server), total] : [report.recipients, messages * (bench.recipients ?? 1)]
  if (found !== wanted) throw new Error(`${server.kind}: ${found} of ${wanted} have arrived`)
  return report
}

async function measure(bench: LoadCase, context: Context): Promise<Figures> {
  await using sink = await startNativeSink(context.tools, bench.sinkDelayMs)
  await using services = await bench.services?.(context)
  const own = bench.setup?.(sink.port, context) ?? {}
  await using server = context.newServer(merged(merged(relay(sink.port), own), services?.setup ?? {}))
  await server.configure()
  bench.prepare?.(server, context)
  await server.start()
  const { amount } = context
  const warm = bench.steady === true && !context.quick ? Math.max(STEADY_MESSAGES, amount) : Math.ceil(amount / 4)
  await send(server, bench, context, warm)
  await arrived(server, bench, sink, warm, warm)
  const memory = bench.memory === true ? watchPss(server.pid) : undefined
  const cpuBefore = server.cpuMs()
  const report = await send(server, bench, context, amount)
  const cpuMs = server.cpuMs() - cpuBefore
  const peakKb = memory?.stop()
  const taken = await arrived(server, bench, sink, warm + amount, amount)
  return {
    'end to end': amount / report.total, accepted: amount / report.seconds, 'CPU of all its processes': cpuMs / amount,
    'final 250, p50': report.p50, 'final 250, p99': report.p99, 'CPU of the load': report.cpuMs / amount,
    ...(peakKb === undefined ? {} : { 'memory of all processes, most': peakKb / 1024 }),
    ...bench.more?.(report, report.total, taken),
  }
}

/** A case of the list from its differences. */
export function loadCase(bench: LoadCase): BenchCase {
  const memory: Figure = { name: 'memory of all processes, most', unit: 'MB PSS', better: 'less' }
  const figures = [...FIGURES, ...(bench.memory === true ? [memory] : []), ...(bench.moreFigures ?? [])]
  const rank = ({ name }: Figure): number => name === bench.first ? 0 : 1
  return {
    name: bench.name, title: bench.title, target: bench.target, amount: bench.amount, quickAmount: bench.quickAmount,
    figures: figures.toSorted((a, b) => rank(a) - rank(b)), needsTls: bench.needsTls ?? false,
    run: (context) => measure(bench, context),
  }
}
