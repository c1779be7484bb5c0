/** A small site: memory at rest, `sendmail` from a shell loop, and how long each command takes to start. */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { BenchCase, Context, Figure, Figures } from '#test/bench/case.ts'
import { median } from '#test/bench/figures.ts'
import { PATIENCE_MS } from '#test/bench/load-case.ts'
import { startNativeSink } from '#test/bench/native.ts'
import type { BenchServer } from '#test/bench/servers.ts'

/** Between two looks at the memory, and what may differ between them when all processes have started. */
const SETTLE_MS = 3000
const SETTLED_PART = 0.02
const STARTS = 7

/** Commands with so little to do that their time is that of their start. */
const COMMANDS: readonly (readonly [string, ...string[]])[] = [
  ['postconf', '-h', 'myhostname'], ['postqueue', '-p'], ['mailq'], ['postmap', '-q', 'key', 'texthash:@ETC@/table'],
  ['postalias', '-q', 'key', 'texthash:@ETC@/table'], ['newaliases'], ['postlog', '-t', 'bench', 'a line'], ['postkick', 'public', 'qmgr', 'W'],
  ['postlock', '@ETC@/table', 'true'], ['postsuper', '-d', '0123456789ABC'], ['postcat', '/dev/null'], ['postfix', 'status'],
  ['sendmail', '-bv', 'nobody@example.net'],
]

function startOf(server: BenchServer, [name, ...args]: readonly [string, ...string[]]): number {
  const words = args.map((word) => word.replace('@ETC@', server.etc))
  return median(Array.from({ length: STARTS }, () => server.run(name, words).ms))
}

/** Milliseconds for each message of a loop in the shell. */
function shellLoop(server: BenchServer, messages: number): number {
  const file = join(server.etc, 'message')
  writeFileSync(file, `Subject: a message of the benchmark\n\n${'X'.repeat(70).concat('\n').repeat(25)}`)
  const [program, ...words] = server.command('sendmail', ['-f', 'sender@example.com', 'recipient@example.net'])
  const loop = 'file=$1 count=$2; shift 2; for i in $(seq $count); do "$@" < "$file" || exit 1; done'
  const started = performance.now()
  const { status, stderr } = spawnSync('/bin/sh', ['-c', loop, 'sh', file, String(messages), program, ...words], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`sendmail: ${stderr}`)
  return (performance.now() - started) / messages
}

async function settledPssKb(server: BenchServer): Promise<number> {
  for (let before = 0; ;) {
    await pause(SETTLE_MS)
    const now = server.pssKb()
    if (Math.abs(now - before) < SETTLED_PART * now) return now
    before = now
  }
}

async function run(context: Context): Promise<Figures> {
  await using sink = await startNativeSink(context.tools)
  await using server = await context.startServer({ main: { relayhost: `[127.0.0.1]:${sink.port}` }, files: { table: 'key value\n' } })
  const restKb = await settledPssKb(server)
  const loopMs = shellLoop(server, context.amount)
  await server.waitForRemoved(context.amount, PATIENCE_MS)
  const { messages } = await sink.report()
  if (messages !== context.amount) throw new Error(`${server.kind}: ${messages} of ${context.amount} have arrived`)
  const afterKb = server.pssKb()
  const starts = COMMANDS.map((command): [string, number] => [`start of ${command[0]}`, startOf(server, command)])
  return {
    'all processes at rest': restKb / 1024, 'all processes after mail': afterKb / 1024, 'sendmail in a shell loop': loopMs,
    'slowest start of a command': Math.max(...starts.map(([, ms]) => ms)), ...Object.fromEntries(starts),
  }
}

const FIGURES: readonly Figure[] = [
  { name: 'all processes at rest', unit: 'MB PSS', better: 'less' }, { name: 'all processes after mail', unit: 'MB PSS', better: 'less' },
  { name: 'sendmail in a shell loop', unit: 'ms/msg', better: 'less' }, { name: 'slowest start of a command', unit: 'ms', better: 'less' },
  ...COMMANDS.map(([name]): Figure => ({ name: `start of ${name}`, unit: 'ms', better: 'less' })),
]

export const REST_CASES: readonly BenchCase[] = [{
  name: 'rest', title: 'memory at rest, sendmail from a shell loop, start of each command (3.11 runs through a wrapper, which costs it some ms)',
  target: '≤ 150 MB PSS; sendmail ≤ 3 × postfix\'s time; each command ≤ 60 ms', amount: 100, quickAmount: 5, figures: FIGURES, run,
}]
