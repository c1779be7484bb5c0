/** Sessions that do nothing, while others work. */
import type { BenchCase, Context, Figures } from '#test/bench/case.ts'
import { PATIENCE_MS } from '#test/bench/load-case.ts'
import { runSource, Speaker, startNativeSink } from '#test/bench/native.ts'

const IDLE = 10_000
/** Active sessions for each idle one. */
const ACTIVE_SHARE = 0.1
/** Postfix has a process for each session: 10,000 do not fit on the machine. */
const POSTFIX_SHARE = 0.1

async function run(context: Context): Promise<Figures> {
  const idle = Math.ceil(context.amount * (context.kind === 'posthorn' ? 1 : POSTFIX_SHARE))
  const sessions = Math.ceil(idle * ACTIVE_SHARE)
  const messages = sessions * 2
  await using sink = await startNativeSink(context.tools)
  const main = { relayhost: `[127.0.0.1]:${sink.port}`, smtpd_timeout: '3600s' }
  await using server = await context.startServer({ main, clients: idle + sessions + 100 })
  // The first message starts what starts on demand.
  await runSource(context.tools, { port: server.port(), messages: 20 })
  await server.waitForRemoved(20, PATIENCE_MS)
  const before = server.pssKb()
  const opened = performance.now()
  await using holder = new Speaker([context.tools.path('source'), `port=${server.port()}`, `idle=${idle}`])
  await holder.line()
  const openMs = performance.now() - opened
  const kilobytes = (server.pssKb() - before) / idle
  const report = await runSource(context.tools, { port: server.port(), sessions, messages, per: 1, size: 2000 })
  await server.waitForRemoved(messages, PATIENCE_MS)
  const { idleLost }: { idleLost: number } = JSON.parse(await holder.end())
  if (idleLost > 0) throw new Error(`${server.kind}: ${idleLost} of ${idle} idle sessions were closed`)
  const { messages: taken } = await sink.report()
  if (taken !== messages + 20) throw new Error(`${server.kind}: ${taken} of ${messages + 20} have arrived`)
  return {
    'memory of an idle session': kilobytes, 'idle sessions': idle, 'time to open them': openMs / 1000,
    'active sessions': sessions, 'accepted beside them': report.accepted / report.seconds, 'final 250, p99': report.p99,
  }
}

export const IDLE_CASES: readonly BenchCase[] = [{
  name: 'idle', title: `${IDLE.toLocaleString('en')} idle and 1,000 active sessions on one service (a tenth of both for postfix; process limit raised for all)`,
  target: 'all served, ≤ 30 kB an idle session', amount: IDLE, quickAmount: 200,
  figures: [
    { name: 'memory of an idle session', unit: 'kB PSS', better: 'less' }, { name: 'idle sessions', unit: '', better: 'more', plain: true },
    { name: 'time to open them', unit: 's', better: 'less', plain: true }, { name: 'active sessions', unit: '', better: 'more', plain: true },
    { name: 'accepted beside them', unit: 'msg/s', better: 'more' }, { name: 'final 250, p99', unit: 'ms', better: 'less' },
  ],
  run,
}]
