/**
 * Many destinations: one message to a thousand recipients, and destinations that take their time.
 *
 * What the slow ones can take is bound by places, not by speed: a message costs four replies (MAIL, RCPT, DATA, the
 * content), each 200 ms after the one before, also when they were sent together, and a new connection two more. With the
 * 100 deliveries at once that default_process_limit allows to both, that is 125 messages/s at most, over connections
 * that are all used again, and 83 over new ones; only a higher process limit could make it twice what Postfix does.
 */
import type { BenchCase, Figures } from '#test/bench/case.ts'
import { loadCase } from '#test/bench/load-case.ts'
import type { SinkReport } from '#test/bench/native.ts'
import type { ServerSetup } from '#test/bench/servers.ts'

const DESTINATIONS = 50
const RECIPIENTS = 1000
const DOMAIN = 'example.net'
const SLOW_MS = 200

/** Each domain has an address of the loopback of its own; the sink listens on all. */
function setup(sink: number): ServerSetup {
  const domains = Array.from({ length: DESTINATIONS }, (_, i) => `d${i}.${DOMAIN} smtp:[127.0.1.${i + 1}]:${sink}\n`).join('')
  return { main: { transport_maps: 'texthash:@HOME@/etc/transport' }, files: { transport: domains } }
}

/** How the destinations shared the time: from the first delivery of all to the last one of each. */
function shares({ addresses }: SinkReport): Figures {
  const start = Math.min(...addresses.map(({ first }) => first))
  const ends = addresses.map(({ last }) => last - start).toSorted((a, b) => a - b)
  const counts = addresses.map(({ messages }) => messages)
  return {
    'first destination served after': (ends[0] ?? 0) / 1000, 'last destination served after': (ends.at(-1) ?? 0) / 1000,
    'messages of the least served': Math.min(...counts),
  }
}

export const DESTINATION_CASES: readonly BenchCase[] = [
  loadCase({
    name: 'recipients-1000', title: `messages to ${RECIPIENTS} recipients in ${DESTINATIONS} domains, one session`, target: '≥ 2 × postfix',
    amount: 20, quickAmount: 1, recipients: RECIPIENTS, setup,
    load: { sessions: 1, per: 1, size: 2000, rcpts: RECIPIENTS, users: RECIPIENTS, domains: DESTINATIONS, to: DOMAIN },
    more: ({ accepted }, seconds) => ({ 'recipients end to end': (accepted * RECIPIENTS) / seconds }),
    moreFigures: [{ name: 'recipients end to end', unit: 'rcpt/s', better: 'more' }], first: 'recipients end to end',
  }),
  loadCase({
    name: 'slow-destinations', title: `1 recipient a message, in turn in ${DESTINATIONS} destinations of ${SLOW_MS} ms a reply, 20 sessions`,
    target: '≥ 2 × postfix; no destination starves another', amount: 1000, quickAmount: DESTINATIONS, sinkDelayMs: SLOW_MS, setup,
    load: { sessions: 20, per: 10, size: 2000, domains: DESTINATIONS, to: DOMAIN },
    more: (_load, _seconds, sink) => shares(sink),
    moreFigures: [
      { name: 'first destination served after', unit: 's', better: 'less' }, { name: 'last destination served after', unit: 's', better: 'less' },
      { name: 'messages of the least served', unit: 'msg', better: 'more', plain: true },
    ],
  }),
]
