/** Relay to a sink that takes everything: sessions, reuse, sizes. */
import type { BenchCase } from '#test/bench/case.ts'
import { loadCase } from '#test/bench/load-case.ts'

const MESSAGE_BYTES = 2000
const MEGABYTE = 1_000_000
/** Above 10 MB, which the default of message_size_limit lets pass only just. */
const SIZE_LIMIT = { message_size_limit: '20480000', mailbox_size_limit: '51200000' }

function sessionsCase(sessions: number, amount: number): BenchCase {
  return loadCase({
    name: `sessions-${sessions}`, title: `${sessions} sessions, 1 message a connection, ${MESSAGE_BYTES} B (process limit ${sessions + 100} for all)`,
    target: '≥ 3 × postfix, nothing refused', amount, quickAmount: sessions, load: { sessions, per: 1, size: MESSAGE_BYTES }, steady: true,
    setup: () => ({ clients: sessions + 100 }),
  })
}

function sizeCase(name: string, bytes: number, amount: number, quickAmount: number): BenchCase {
  return loadCase({
    name, title: `messages of ${bytes.toLocaleString('en')} B, 10 sessions, 10 messages a connection`, target: '≥ 1.5 × bytes/s; memory flat',
    amount, quickAmount, load: { sessions: 10, per: 10, size: bytes }, memory: true, steady: bytes < MEGABYTE, first: 'bytes end to end',
    setup: (sink) => ({ main: { relayhost: `[127.0.0.1]:${sink}`, ...SIZE_LIMIT } }),
    more: ({ accepted }, seconds) => ({ 'bytes end to end': (accepted * bytes) / seconds / MEGABYTE }),
    moreFigures: [{ name: 'bytes end to end', unit: 'MB/s', better: 'more' }],
  })
}

export const RELAY_CASES: readonly BenchCase[] = [
  loadCase({
    name: 'relay-1', title: `relay, 20 sessions, 1 message a connection, ${MESSAGE_BYTES} B`,
    target: '≥ 3.0 × postfix, ≥ 2.5 × postfix tuned, end to end; p99 of the final 250 ≤ 1/4', amount: 5000, quickAmount: 100,
    load: { sessions: 20, per: 1, size: MESSAGE_BYTES }, steady: true,
  }),
  loadCase({
    name: 'relay-100', title: `relay, 20 sessions, 100 messages a connection, ${MESSAGE_BYTES} B`, target: '≥ 4 × postfix',
    amount: 5000, quickAmount: 100, load: { sessions: 20, per: 100, size: MESSAGE_BYTES }, steady: true,
  }),
  sessionsCase(80, 5000),
  sessionsCase(500, 5000),
]

export const SIZE_CASES: readonly BenchCase[] = [
  sizeCase('size-200k', 200_000, 1000, 20),
  sizeCase('size-10m', 10_000_000, 60, 4),
]
