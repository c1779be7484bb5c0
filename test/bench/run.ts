/**
 * Speed, latency, processor time and memory beside Postfix: every case on every server, in the same run, on the same
 * disk, in turn.
 *
 *   npm run bench                        all cases, Debian's Postfix with its defaults and tuned, and Posthorn
 *   npm run bench -- --list              the cases and what is asked of them
 *   npm run bench -- --case NAME[,NAME]  only these
 *     --messages N    messages (or what the case counts in) of one measurement
 *     --repeat N      measurements of each server (3); medians and the spread are printed
 *     --servers A,B   of postfix, "postfix tuned", "postfix 3.11", posthorn; --with-3.11 adds the third
 *     --sources       Posthorn from the TypeScript sources instead of the bundles
 *     --quick         a smoke run: every case in small, on Posthorn and Postfix; fails when a message did not arrive
 *
 * Postfix tuned is Postfix with in_flow_delay = 0. All have the same main.cf and master.cf, so that process limits are
 * raised for all where a case needs it. What source and sink reach without a server is printed first. Everything is
 * kept as JSON in test/bench/results/. But for `--quick`, numbers are for reading, never for passing or failing.
 */
import { spawn, spawnSync } from 'node:child_process'
import fs from 'node:fs'
import { cpus, loadavg, release, totalmem } from 'node:os'
import { join } from 'node:path'
import { eventually, freePort } from '#test/support/system.ts'
import type { BenchCase, Context } from './case.ts'
import { CASES } from './cases/list.ts'
import { describe, short, type Sample } from './figures.ts'
import { absent, buildBundles, type ServerKind } from './installation.ts'
import { compileTools, runSource, startNativeSink, type NativeTools } from './native.ts'
import { readOptions, type Options } from './options.ts'
import { BenchServer, startServer } from './servers.ts'

const ALONE_MESSAGES = 10_000
const print = (text: string): void => void process.stdout.write(text)

/** Debian's pair, for comparison: no latencies, but nobody can say that we wrote it. */
async function debianAlone(messages: number): Promise<number> {
  const port = await freePort()
  const sink = spawn('smtp-sink', ['-u', 'postfix', `127.0.0.1:${port}`, '1000'], { stdio: 'ignore' })
  try {
    await eventually('smtp-sink', () => (spawnSync('bash', ['-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`], { stdio: 'ignore' }).status === 0 ? true : undefined))
    const started = performance.now()
    spawnSync('smtp-source', ['-s', '20', '-m', String(messages), '-l', '2000', '-f', 'sender@example.com', '-t', 'r@example.net', `127.0.0.1:${port}`])
    return messages / ((performance.now() - started) / 1000)
  } finally {
    sink.kill()
  }
}

async function printAlone(tools: NativeTools, quick: boolean): Promise<void> {
  const messages = quick ? ALONE_MESSAGES / 20 : ALONE_MESSAGES
  await using sink = await startNativeSink(tools)
  for (const per of [1, 100]) {
    const { accepted, seconds, p50, p99 } = await runSource(tools, { port: sink.port, sessions: 20, messages, per, size: 2000 })
    print(`source straight into sink, ${per} a connection: ${short(accepted / seconds)} msg/s, final 250 p50 ${short(p50)} ms, p99 ${short(p99)} ms\n`)
  }
  if (fs.existsSync('/usr/sbin/smtp-source')) print(`Debian's smtp-source into smtp-sink: ${short(await debianAlone(messages))} msg/s\n`)
}

type Bench = { readonly options: Options; readonly tools: NativeTools; readonly bundles: string | undefined }

function context(bench: BenchCase, kind: ServerKind, { options, tools, bundles }: Bench): Context {
  const amount = options.quick ? bench.quickAmount : bench.amount
  return {
    kind, tools, amount: options.messages ?? amount, quick: options.quick,
    startServer: (setup) => startServer(kind, setup, bundles),
    newServer: (setup) => new BenchServer(kind, setup, bundles),
    note: (text) => print(`  ${kind}: ${text}\n`),
  }
}

/** All measurements of one case. A smoke run fails at the first problem; else it is printed, and the next one is tried. */
async function runCase(bench: BenchCase, all: Bench): Promise<Sample[]> {
  const samples: Sample[] = []
  const rounds = Math.min(all.options.repeat, bench.repeatMax ?? Infinity)
  for (let round = 0; round < rounds; round += 1) {
    for (const server of all.options.servers) {
      try {
        samples.push({ server, figures: await bench.run(context(bench, server, all)) })
      } catch (error) {
        if (all.options.quick) throw error
        print(`${bench.name}: ${server}: ${error instanceof Error ? error.message : String(error)}\n`)
        process.exitCode = 1
      }
    }
  }
  return samples
}

function keep(options: Options, results: Readonly<Record<string, readonly Sample[]>>): void {
  const folder = join(import.meta.dirname, 'results')
  fs.mkdirSync(folder, { recursive: true })
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memory: totalmem(), kernel: release(), node: process.version, date: new Date().toISOString() }
  const file = join(folder, `bench-${Date.now()}.json`)
  fs.writeFileSync(file, JSON.stringify({ machine, options, results }, null, 1))
  print(`kept in ${file}\n`)
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2), CASES.map(({ name }) => name))
  if (options.list) {
    for (const { name, title, target } of CASES) print(`${name.padEnd(24)} ${title}\n${' '.repeat(25)}${target}\n`)
    return
  }
  const missing = options.servers.map((kind) => ({ kind, reason: absent(kind) })).filter(({ reason }) => reason !== undefined)
  for (const { kind, reason } of missing) print(`SKIPPED: ${kind}: ${reason}\n`)
  const servers = options.servers.filter((kind) => !missing.some((each) => each.kind === kind))
  if (servers.length === 0) return
  if (spawnSync('cc', ['--version']).status !== 0) {
    print('SKIPPED: no C compiler (cc) for the programs that load and take\n')
    return
  }
  using tools = compileTools()
  using bundles = options.sources ? undefined : await buildBundles()
  print(`${cpus().length} × ${cpus()[0]?.model ?? 'CPU'}, Linux ${release()}, Node.js ${process.version}, load ${short(loadavg()[0] ?? 0)}; `)
  print(`Posthorn from ${bundles ? 'bundles (npm run build)' : 'its sources'}; postfix tuned: in_flow_delay = 0\n`)
  await printAlone(tools, options.quick)
  const results: Record<string, Sample[]> = {}
  for (const bench of CASES.filter(({ name }) => options.cases.includes(name))) {
    if (bench.needsTls === true && !tools.tls) {
      print(`SKIPPED: ${bench.name}: no OpenSSL to compile the load with\n`)
      continue
    }
    results[bench.name] = await runCase(bench, { options: { ...options, servers }, tools, bundles: bundles?.folder })
    print(describe(bench, results[bench.name] ?? [], servers))
  }
  keep(options, results)
}

await main()
