/**
 * Speed beside Postfix, in the same run, on the same disk: relay to a sink that takes everything.
 *
 *   npm run bench [-- --messages N] [--repeat N] [--sessions N] [--size BYTES] [--per-connection N]
 *
 * Load and sink are Debian's smtp-source and smtp-sink; what they reach alone is printed first, so that nobody takes
 * their limit for ours. Each repetition runs every server once, in turn; medians and the spread are printed, and
 * everything is kept as JSON in test/bench/results/. Numbers are for reading, never for passing or failing.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import fs from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import { eventually, freePort } from '#test/support/system.ts'
import { startServer, type BenchServer, type ServerKind } from './servers.ts'

type Options = { messages: number; repeat: number; sessions: number; size: number; perConnection: number }
type Sample = { readonly server: string; readonly accepted: number; readonly delivered: number; readonly cpuMs: number }

const DEFAULTS: Options = { messages: 3000, repeat: 3, sessions: 20, size: 2000, perConnection: 1 }
const SERVERS: readonly ServerKind[] = ['postfix', 'postfix tuned', 'posthorn']
const PATIENCE_MS = 120_000

function readOptions(args: readonly string[]): Options {
  const value = (flag: string, fallback: number): number => {
    const at = args.indexOf(flag)
    return at < 0 ? fallback : Number(args[at + 1])
  }
  return {
    messages: value('--messages', DEFAULTS.messages), repeat: value('--repeat', DEFAULTS.repeat),
    sessions: value('--sessions', DEFAULTS.sessions), size: value('--size', DEFAULTS.size),
    perConnection: value('--per-connection', DEFAULTS.perConnection),
  }
}

async function startSink(): Promise<{ port: number; sink: ChildProcess }> {
  const port = await freePort()
  const sink = spawn('smtp-sink', ['-u', 'postfix', `127.0.0.1:${port}`, '1000'], { stdio: 'ignore' })
  await eventually('smtp-sink', () => (spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`]).status === 0 ? true : undefined))
  return { port, sink }
}

/** Sends the messages; the time it took, in seconds. */
async function load(port: number, options: Options): Promise<number> {
  const { messages, sessions, size, perConnection } = options
  const started = performance.now()
  const reuse = perConnection > 1 ? ['-d'] : []
  const source = spawn('smtp-source', [
    '-s', String(sessions), '-m', String(messages), '-l', String(size), ...reuse, '-f', 'sender@example.com', '-t', 'recipient@example.net',
    `127.0.0.1:${port}`,
  ], { stdio: ['ignore', 'inherit', 'inherit'] })
  const status = await new Promise((resolve) => source.on('close', resolve))
  if (status !== 0) throw new Error(`smtp-source ended with ${String(status)}`)
  return (performance.now() - started) / 1000
}

async function measure(server: BenchServer, options: Options): Promise<Sample> {
  const cpuBefore = server.cpuMs()
  const started = performance.now()
  const acceptSeconds = await load(server.port, options)
  await server.waitForRemoved(options.messages, PATIENCE_MS)
  const seconds = (performance.now() - started) / 1000
  return {
    server: server.kind, accepted: options.messages / acceptSeconds, delivered: options.messages / seconds,
    cpuMs: (server.cpuMs() - cpuBefore) / options.messages,
  }
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

function line(name: string, samples: readonly Sample[], base: number): string {
  const delivered = samples.map((sample) => sample.delivered)
  const mid = median(delivered)
  const spread = `${Math.min(...delivered).toFixed(0)}–${Math.max(...delivered).toFixed(0)}`
  const accepted = median(samples.map((sample) => sample.accepted)).toFixed(0)
  const cpu = median(samples.map((sample) => sample.cpuMs))
  return `${name.padEnd(16)} ${mid.toFixed(0).padStart(6)} msg/s end to end (${spread}), ${accepted.padStart(6)} accepted/s, `
    + `${cpu.toFixed(2)} ms CPU a message, ${(mid / base).toFixed(2)} × postfix`
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2))
  const { port, sink } = await startSink()
  const samples: Sample[] = []
  try {
    const alone = options.messages / await load(port, options)
    process.stdout.write(`smtp-source to smtp-sink alone: ${alone.toFixed(0)} msg/s\n`)
    for (let round = 0; round < options.repeat; round += 1) {
      for (const kind of SERVERS) {
        await using server = await startServer(kind, port)
        await measure(server, { ...options, messages: Math.ceil(options.messages / 2) })
        samples.push(await measure(server, options))
      }
    }
  } finally {
    sink.kill()
  }
  const base = median(samples.filter(({ server }) => server === 'postfix').map(({ delivered }) => delivered))
  for (const kind of SERVERS) process.stdout.write(`${line(kind, samples.filter(({ server }) => server === kind), base)}\n`)
  const folder = join(import.meta.dirname, 'results')
  fs.mkdirSync(folder, { recursive: true })
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem(), date: new Date().toISOString() }
  fs.writeFileSync(join(folder, `relay-${Date.now()}.json`), JSON.stringify({ machine, options, samples }, null, 1))
}

await main()
