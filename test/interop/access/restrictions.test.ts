/** Restrictions side by side with smtpd of the real Postfix: the same clients, the same replies, the same log lines. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import type { SessionFacts } from '#access/types.ts'
import { checkSite, clientOf, logOf, replyOf } from '#test/support/access.ts'
import { captureLog } from '#test/support/log.ts'
import { judgeAbsent, startRealPostfix } from '#test/support/real-postfix.ts'

/** One client: what differs from the stranger of the tests. */
type Visit = Pick<Partial<SessionFacts>, 'helo' | 'sender' | 'recipient' | 'client'> & { readonly login?: string }

const NAMES = {
  compatibility_level: '3.11',
  myhostname: 'mail.example.org',
  mydomain: 'example.org',
  myorigin: 'example.org',
  mydestination: 'mail.example.org, localhost, example.org',
  inet_interfaces: '127.0.0.1',
  mynetworks: '10.0.0.0/8, 203.0.113.200',
  mail_name: 'Postfix',
  virtual_alias_domains: 'alias.example',
  virtual_alias_maps: 'inline:{ known@alias.example=user }',
  virtual_mailbox_domains: 'virtual.example',
  virtual_mailbox_maps: 'inline:{ box@virtual.example=x }',
  relay_domains: 'relay.example',
  local_recipient_maps: 'inline:{ user=x, other=x }',
  transport_maps: 'inline:{ { gone@relay.example=error:5.1.6 moved } { error.example=error: }'
    + ' { wait.example=retry:4.3.9 wait } }',
  recipient_delimiter: '+',
}

const STRANGERS: readonly Visit[] = [
  {}, { recipient: 'nobody@example.org' }, { recipient: 'x@other.example' }, { recipient: 'user+ext@example.org' },
  { recipient: 'known@alias.example' }, { recipient: 'x@alias.example' }, { recipient: 'box@virtual.example' },
  { recipient: 'x@virtual.example' },
  { recipient: 'x@sub.relay.example' }, { recipient: 'gone@relay.example' }, { recipient: 'x@error.example' },
  { recipient: 'x@wait.example' },
  { recipient: 'postmaster' }, { recipient: 'x%other.example@example.org' }, { recipient: 'a@b@example.org' },
  { recipient: 'User@Example.ORG' },
  { recipient: 'x@other.example', client: clientOf('inside.example', '10.1.2.3') }, { sender: '' },
  { sender: 'user@example.org' },
  { sender: 'nobody@example.org' }, { sender: 'a b@client.example' }, { client: clientOf('unknown', '203.0.113.9') },
  { helo: 'foo' }, { helo: 'a..b' },
  { helo: '[1.2.3.4]' }, { helo: '[1.2.3]' }, { sender: 'x@y' }, { recipient: 'user' },
  { recipient: 'x@other.example', login: 'bob' }, { login: 'bob' }, { sender: 'x@alias.example' },
]

const ACTIONS = [
  'OK', 'REJECT', 'REJECT go away', 'REJECT 5.1.1 no such thing', 'REJECT 4.3.2 odd', 'DEFER', 'DEFER wait', '450 wait',
  '550 5.1.2 no',
  '554 x', '599', 'REJECT 5.1.4 x', 'REJECT 5.1.5 x', 'REJECT 5.1.6 x', 'REJECT 5.1.8 x', 'REJECT 5.1.9 x', '650 x',
  'DUNNO', '12345', 'WARN careful', 'INFO note', 'HOLD', 'HOLD because', 'DISCARD', 'DISCARD because',
  'FILTER smtp:[f]', 'FILTER', 'FILTER x', 'REDIRECT a@b', 'REDIRECT a', 'BCC a@b', 'BCC', 'PREPEND X-Y: z',
  'PREPEND nonsense', 'DEFER_IF_PERMIT',
  'DEFER_IF_PERMIT later',
  'DEFER_IF_REJECT', 'reject_unlisted_recipient', 'permit', 'nonsense', 'hash:/x', 'warn_if_reject reject',
  'permit_mynetworks, reject', 'reject  ', 'ok x', 'DEFER_IF_PERMIT 5.1.1 x', 'RELAY',
] as const

/** A list that lets everybody in before its protection. */
const OPEN = 'check_recipient_access static:permit, reject'

const list = (text: string): Record<string, string> => ({
  smtpd_relay_restrictions: OPEN, smtpd_recipient_restrictions: text,
})

const lookups = (access: string): Record<string, string> =>
  list(`${access} inline:{ ${[
    'client.example=REJECT a', '.example=REJECT b', 'example=REJECT c', '203.0.113.7=REJECT d', '203.0.113=REJECT e',
    'user@example.org=REJECT f',
    'example.org=REJECT g', 'user@=REJECT h', '<>=REJECT i', 'helo.example=REJECT j', 'user+ext@example.org=REJECT k',
    'x@=OK', 'unknown=REJECT l', 'other.example=OK', '[1.2.3.4]=REJECT m',
  ].map((entry) => `{ ${entry} }`).join(' ')} }`)

/** Those that any list tells apart. */
const FEW = STRANGERS.filter((_, n) => [0, 1, 2, 3, 16, 17, 21, 24].includes(n))

const CONFIGURATIONS: readonly Readonly<Record<string, string>>[] = [
  {},
  { smtpd_relay_restrictions: 'permit_mynetworks, reject_unauth_destination' },
  { smtpd_reject_unlisted_sender: 'yes', smtpd_reject_unlisted_recipient: 'no' },
  { soft_bounce: 'yes' },
  { smtpd_relay_before_recipient_restrictions: 'no', smtpd_recipient_restrictions: 'reject_non_fqdn_recipient' },
  {
    smtpd_client_restrictions: 'permit_mynetworks, reject_unknown_client_hostname',
    smtpd_helo_restrictions: 'reject_invalid_helo_hostname',
  },
  { smtpd_helo_restrictions: 'reject_non_fqdn_helo_hostname', smtpd_sender_restrictions: 'reject_non_fqdn_sender' },
  { smtpd_client_restrictions: 'reject' }, { smtpd_helo_restrictions: 'reject' },
  { smtpd_sender_restrictions: 'reject' },
  { smtpd_sender_restrictions: 'warn_if_reject reject, defer_if_permit' },
  { smtpd_client_restrictions: 'defer_if_permit', smtpd_recipient_restrictions: 'reject_unlisted_recipient' },
  { smtpd_helo_restrictions: 'defer_if_reject, reject' },
  { smtpd_recipient_restrictions: 'defer_if_permit, defer_if_reject, permit' },
  list('warn_if_reject reject_unlisted_recipient, permit'),
  list('warn_if_reject permit_mynetworks, reject'),
  list('permit, reject'), list('defer, reject'), list('permit_auth_destination, reject_plaintext_session'),
  list('reject_multi_recipient_bounce, reject_unauth_pipelining'), list('nonsense'), list('check_client_access'),
  list('check_client_access x'),
  list('reject_rbl_client'), list('sleep x'), list('static:OK, reject'), list('static:REJECT'),
  list('check_relay_domains'), list('reject_maps_rbl'),
  list('permit_naked_ip_address'), list('reject_unauthenticated_sender_login_mismatch, permit'),
  list('permit_tls_clientcerts, defer_unauth_destination'),
  list('check_recipient_access fail:x'), list('check_client_access fail:x, permit'),
  list('reject_unknown_reverse_client_hostname'),
  { smtpd_client_restrictions: 'static:REJECT' }, { smtpd_helo_restrictions: 'static:REJECT' },
  { smtpd_sender_restrictions: 'static:REJECT' },
  { smtpd_restriction_classes: 'ours', ours: 'permit_mynetworks, reject_unlisted_recipient', ...list('ours, defer') },
  { access_map_reject_code: '450', reject_code: '250', ...list('check_sender_access static:REJECT') },
  { reject_code: '250', ...list('reject') },
  { smtpd_log_access_permit_actions: 'static:all', ...list('permit_mynetworks, check_client_access static:OK') },
  {
    smtpd_log_access_permit_actions: 'permit_mynetworks, OK',
    ...list('permit_mynetworks, check_client_access static:OK'),
  },
  { parent_domain_matches_subdomains: '', ...lookups('check_client_access') },
  ...[
    'client', 'reverse_client_hostname', 'helo', 'sender', 'recipient',
  ].map((what) => lookups(`check_${what}_access`)),
  ...ACTIONS.map((action) => list(`check_client_access inline:{ { 203.0.113=${action} } }`)),
  ...ACTIONS.slice(1, 16).map((action) => list(`check_sender_access inline:{ { client.example=${action} } }`)),
  ...ACTIONS.slice(1, 16).map((action) => list(`check_recipient_access inline:{ { example.org=${action} } }`)),
]

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(Array.from({ length: count }, async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    return server
  }))
  const ports = servers.map((server) => {
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  })
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}

/** Sends lines one by one and gives the last line of the last reply. */
async function dialog(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  const replies = replyReader(socket)
  let reply = await replies()
  for (const line of lines) {
    socket.write(`${line}\r\n`)
    reply = await replies()
  }
  socket.end('QUIT\r\n')
  return reply
}

function replyReader(socket: Socket): () => Promise<string> {
  let received = ''
  let wake: (() => void) | undefined
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('utf8')
    wake?.()
  })
  socket.on('close', () => wake?.())
  return async () => {
    for (;;) {
      const match = /^(?:\d{3}-.*\r\n)*(\d{3} .*)\r\n/.exec(received)
      if (match !== null) {
        received = received.slice(match[0].length)
        return match[1] ?? ''
      }
      if (socket.readableEnded || socket.destroyed) return 'closed'
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
}

const quoted = (address: string): string => (
  address.includes(' ') || address.split('@').length > 2 ? address.replace(/^(.*)@/, '"$1"@') : address
)

function dialogOf(visit: Visit, id: string): string[] {
  const {
    client = clientOf('client.example', '203.0.113.7'), helo = 'helo.example', sender = 'sender@client.example',
    recipient = 'user@example.org',
  } = visit
  const name = client.name === 'unknown' ? '[UNAVAILABLE]' : client.name
  const login = visit.login === undefined ? '' : ` LOGIN=${visit.login}`
  return [
    'EHLO test', `XCLIENT NAME=${name} REVERSE_NAME=${name} ADDR=${client.address} PORT=${id}${login}`, `EHLO ${helo}`,
    `MAIL FROM:<${quoted(sender)}>`, `RCPT TO:<${quoted(recipient)}>`,
  ]
}

const HOSTILE = new RegExp('^(?:warning: )?(?:unknown smtpd|restriction|access table|do not specify|define a'
  + '|support for|specify one of|mapping DSN|SMTP reply code|DSN detail|NOQUEUE)')

test('restrictions answer and log as Postfix does', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const ports = await freePorts(CONFIGURATIONS.length)
  const services = CONFIGURATIONS.map((values, i) => {
    const options = Object.entries(values).map(([name, value]) => `\n  -o { ${name} = ${value} }`).join('')
    return `127.0.0.1:${ports[i]} inet n - n - - smtpd\n  -o syslog_name=case${i}${options}`
  })
  await using judge = await startRealPostfix({
    main: {
      ...NAMES, smtpd_authorized_xclient_hosts: '127.0.0.1', smtpd_client_connection_count_limit: '0',
      smtpd_client_port_logging: 'yes',
      smtpd_discard_ehlo_keywords: 'chunking, silent-discard', smtpd_peername_lookup: 'no',
      smtpd_hard_error_limit: '1000', smtpd_forbid_unauth_pipelining: 'no',
    },
    master: [
      ...services, 'rewrite unix - - n - - trivial-rewrite', 'cleanup unix n - n - 0 cleanup',
      'anvil unix - - n - 1 anvil', 'proxymap unix - - n - - proxymap', 'qmgr unix n - n 300 1 qmgr',
    ],
  })
  using _ = captureLog()
  const ours: { where: string; reply: string; log: string[] }[] = []
  const theirs = new Map<string, string>()
  for (const [i, values] of CONFIGURATIONS.entries()) {
    const visits = i < 7 ? STRANGERS : FEW
    const idOf = (n: number): string => String(10_000 + i * 100 + n)
    const replies = await Promise.all(visits.map((visit, n) => dialog(ports[i] ?? 0, dialogOf(visit, idOf(n)))))
    for (const [n, visit] of visits.entries()) {
      const id = idOf(n)
      const where = `case${i} ${id}`
      theirs.set(where, replies[n] ?? '')
      const { login, client = clientOf('client.example', '203.0.113.7'), ...facts } = visit
      const sasl = login === undefined ? {} : { method: 'XCLIENT', username: login }
      const known = { ...client, port: id, nameAndAddress: `${client.name}[${client.address}]:${id}` }
      const result = await checkSite({ ...NAMES, ...values }, { ...facts, sasl, client: known })
      ours.push({ where, reply: replyOf(result).replace(/^ok$/, '250 2.1.5 Ok'), log: logOf(result) })
    }
  }
  const last = ours.findLast(({ log }) => log.some((line) => line.startsWith('NOQUEUE')))?.where ?? ''
  const log = await readLog(join(judge.directory, 'log'), last)
  const differences: string[] = []
  for (const { where, reply, log: lines } of ours) {
    const their = theirs.get(where) ?? ''
    const values = JSON.stringify(CONFIGURATIONS[Number(/^case(\d+)/.exec(where)?.[1])])
    if (reply !== their) differences.push(`${where} ${values}\n  ours:   ${reply}\n  theirs: ${their}`)
    const expected = linesOf(log, where)
    const got = lines.filter((line) => line.startsWith('NOQUEUE'))
    if (expected.join('\n') !== got.join('\n')) {
      differences.push(`${where} ${values}\n  our log:   ${got.join(' | ')}\n  their log: ${expected.join(' | ')}`)
    }
  }
  assert.ok(log.split('\n').some((line) => HOSTILE.test(line.replace(/^.*?\]: /, ''))))
  assert.equal(differences.join('\n'), '')
  return undefined
})

/** The log, when it has the lines about the last visit. */
async function readLog(path: string, where: string): Promise<string> {
  for (let attempt = 0; attempt < 50; attempt += 1) {
    const log = await readFile(path, 'utf8')
    if (linesOf(log, where).length > 0) return log
    await setTimeout(100)
  }
  return readFile(path, 'utf8')
}

/** The lines about one visit: they name its port. */
function linesOf(log: string, where: string): string[] {
  const [service = '', port = ''] = where.split(' ')
  return log.split('\n')
    .filter((line) => line.includes(` ${service}/smtpd[`) && line.includes(`]:${port}:`))
    .map((line) => line.replace(/^.*?\]: /, ''))
    .filter((line) => line.startsWith('NOQUEUE') && !line.startsWith('NOQUEUE: client='))
}
