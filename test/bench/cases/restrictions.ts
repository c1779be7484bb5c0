/** Every restriction at work: lists of clients in DNS, access tables, a policy service. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchCase, Context } from '#test/bench/case.ts'
import { loadCase } from '#test/bench/load-case.ts'
import { Speaker } from '#test/bench/native.ts'
import type { BenchServer, ServerSetup } from '#test/bench/servers.ts'
import { freePort } from '#test/support/system.ts'

const ENTRIES = 100_000
const QUICK_ENTRIES = 1000
/** resolv.conf(5) has no ports, so the name server listens on 53 of a loopback address that nobody else uses. */
const NAME_SERVER = '127.53.53.1'
const CLIENTS = 5000

/** Keys of each table; none is ever found, so that every lookup goes all the way. */
const TABLES: Readonly<Record<string, (i: number) => string>> = {
  'client': (i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
  'helo': (i) => `host${i}.example.invalid`,
  'sender': (i) => `user${i}@example.invalid`,
  'recipient': (i) => `user${i}@other.invalid`,
  'client-names': (i) => `name${i}.example.invalid`,
  'sender-domains': (i) => `domain${i}.example.invalid`,
}

function makeTables(server: BenchServer, { quick }: Context): void {
  for (const [name, key] of Object.entries(TABLES)) {
    const file = join(server.etc, name)
    const entries = Array.from({ length: quick ? QUICK_ENTRIES : ENTRIES }, (_, i) => `${key(i)} REJECT\n`)
    writeFileSync(file, entries.join(''))
    const { status, stderr } = server.run('postmap', [`hash:${file}`])
    if (status !== 0) throw new Error(`postmap: ${stderr}`)
  }
}

async function startAnswers({ tools }: Context): Promise<AsyncDisposable & { readonly setup: ServerSetup }> {
  const policy = await freePort()
  const speaker = new Speaker([tools.path('answers'), `dns=${NAME_SERVER}:53`, `policy=${policy}`])
  await speaker.line()
  const restrictions = [
    'check_client_access hash:@HOME@/etc/client', 'check_client_access hash:@HOME@/etc/client-names', 'check_helo_access hash:@HOME@/etc/helo',
    'check_sender_access hash:@HOME@/etc/sender', 'check_sender_access hash:@HOME@/etc/sender-domains',
    'check_recipient_access hash:@HOME@/etc/recipient', 'reject_unauth_destination', 'reject_rbl_client bl1.example',
    'reject_rbl_client bl2.example', `check_policy_service inet:127.0.0.1:${policy}`,
  ]
  const main = { mynetworks: '192.0.2.0/24', relay_domains: 'example.net', smtpd_recipient_restrictions: restrictions.join(', ') }
  return {
    setup: { main, resolvConf: `nameserver ${NAME_SERVER}\n` },
    [Symbol.asyncDispose]: () => speaker[Symbol.asyncDispose](),
  }
}

export const RESTRICTION_CASES: readonly BenchCase[] = [
  loadCase({
    name: 'restrictions', title: `2 DNSBLs (local server), 6 access tables of ${ENTRIES.toLocaleString('en')} entries, policy service, ${CLIENTS} client addresses`,
    target: '≥ 3 × postfix', amount: 4000, quickAmount: 100, steady: true, load: { sessions: 20, per: 1, size: 2000, sources: CLIENTS },
    prepare: makeTables, services: startAnswers,
  }),
]
