/** Rewriting and resolving, side by side with trivial-rewrite of the real Postfix. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openRouter } from '#rewrite/resolve.ts'
import type { Resolved } from '#rewrite/resolve.ts'
import { judgeAbsent, startRealPostfix } from '#test/support/real-postfix.ts'
import type { RealPostfix } from '#test/support/real-postfix.ts'

const MASTER = ['rewrite unix - - n - - trivial-rewrite']

const NAMES = {
  myhostname: 'mail.example.org',
  mydomain: 'example.org',
  myorigin: '$mydomain',
  mydestination: '$myhostname, localhost, example.org',
  inet_interfaces: '127.0.0.1',
}

const ADDRESSES = [
  'user', 'user@example.org', 'user@host', 'user@example.com', 'user@example.com.', 'user@example.com..', 'user@', '@',
  '@host', 'a@b@c', 'user%example.com', 'user%example.com@example.org', 'user%a%b', 'a!b', 'a!b!c', 'a!b@example.org',
  '@a,@b:user@c.example', '@a:', '@a:b', 'a b@example.com', 'user@[127.0.0.1]', 'user@[10.0.0.1]', 'user@[IPv6:::1]',
  'user@[::1]', 'user@[x]', 'user@127.0.0.1', 'user@10.0.0.1', '-user@example.com', 'user+ext@example.com',
  'postmaster', 'MAILER-DAEMON', 'user@-bad.example', 'user@a..b',
  'user@example.org@example.com',
  'user@example.com@example.org', 'user@example.com@example.org@localhost', 'a%b!c@example.org', 'user@localhost',
  'user@LOCALHOST',
  'user@mail.example.org', 'x.y@example.org', '.x@example.org', 'x"y@example.org', 'x\\y@example.org',
  'x@sub.example.org', 'x@.example.org', 'moved@example.com', 'moved@example.org', 'alias@alias.example',
  'box@virtual.example', 'x@relay.example',
  'x@sub.relay.example',
  'x@transport.example', 'x@sub.transport.example', 'user@transport.example', 'user+a@transport.example',
  'x@error.example', 'x@hop.example', 'x@noop.example', 'x@retry.example', 'x@errortext.example', 'x@sub.dot.example',
  'x@dot.example', 'ä@example.com', 'x@ä.example', 'a(b)@c.d', 'a@b c', 'a,b@c.d', '<a@b.c>', 'a:b@c.d', 'a;b', '""',
  'a@"b"', 'example.com!user@example.org', 'a@b%c', 'x@1.2',
  'x@a_b.example',
] as const

const EXTERNAL = [
  ...ADDRESSES.filter((address) => !address.includes('"')), '"a b"@example.com', '"a@b"@example.com', '"a@b"',
  '"a%b"@example.org', '"a"@b', '""', 'user (comment)', 'user (comment)@host', '"quoted"', 'a . b @ c . d', 'a b',
  '"a b" c', '"".a@b', '"a\\"b"@c', 'a\\@b', 'a\\ b@c', '[1.2.3.4]', 'x@[1.2.3.4].y', '@a,@b,@c:d!e', '@a:b:c@d',
  'a@(b)c', 'é@è', '"a@b"%c', 'a|b@c', 'a@b.', '"a.b"@c', '"a..b"@c',
]

async function judgeRewrite(judge: RealPostfix, rule: string, address: string): Promise<string> {
  const reply = await judge.ask('rewrite', [['request', 'rewrite'], ['rule', rule], ['address', address]])
  return reply.get('address') ?? 'no answer'
}

const CLASSES = [[256, 'local'], [512, 'alias'], [1024, 'virtual'], [2048, 'relay'], [4096, 'default']] as const

async function judgeResolve(judge: RealPostfix, sender: string, address: string): Promise<Resolved> {
  const reply = await judge.ask('rewrite', [['request', 'resolve'], ['sender', sender], ['address', address]])
  const flags = Number(reply.get('flags'))
  const text = (name: string): string => reply.get(name) ?? 'no answer'
  return {
    transport: text('transport'),
    nexthop: text('nexthop'),
    recipient: text('recipient'),
    class: CLASSES.find(([bit]) => (flags & bit) !== 0)?.[1] ?? 'default',
    routed: (flags & 2) !== 0,
    ...((flags & 12) === 0 ? {} : { problem: (flags & 4) === 0 ? 'fail' : 'error' }),
  }
}

/** With a problem, only the problem and the recipient count. */
function comparable(resolved: Resolved): Partial<Resolved> {
  if (resolved.problem === undefined) return resolved
  return resolved.problem === 'fail'
    ? { problem: 'fail' }
    : { problem: resolved.problem, recipient: resolved.recipient }
}

const CONFIGURATIONS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: {},
  completing: {
    append_dot_mydomain: 'yes', resolve_null_domain: 'yes', resolve_numeric_domain: 'yes', allow_min_user: 'yes',
    remote_header_rewrite_domain: 'remote.invalid', recipient_delimiter: '+',
  },
  strict: {
    swap_bangpath: 'no', allow_percent_hack: 'no', append_at_myorigin: 'no', resolve_dequoted_address: 'no',
    remote_header_rewrite_domain: 'remote.invalid', smtputf8_enable: 'no',
  },
  classes: {
    recipient_delimiter: '+',
    virtual_alias_domains: 'alias.example', virtual_mailbox_domains: 'virtual.example', relay_domains: 'relay.example',
    relayhost: '[gateway.example]:26', virtual_transport: 'lmtp:unix:/x', relay_transport: 'smtp:relayhop',
    transport_maps: 'texthash:$DIR/transport', relocated_maps: 'texthash:$DIR/relocated',
    sender_dependent_relayhost_maps: 'texthash:$DIR/relayhosts',
    sender_dependent_default_transport_maps: 'texthash:$DIR/transports',
  },
  relocated: {
    relocated_maps: 'texthash:$DIR/relocated', relocated_prefix_enable: 'no', show_user_unknown_table_name: 'no',
  },
}

const FILES = {
  transport: `transport.example smtp:[t.example]:25
.transport.example :[sub.example]
user@transport.example local:
user+a@transport.example lmtp:x
error.example error:
errortext.example error:5.1.1 no: such user
retry.example retry:
hop.example :[hop]
noop.example :
.dot.example relay:
box@virtual.example slow:
x@alias.example smtp:never
`,
  relocated: 'moved@example.com new@example.net\nmoved@example.org 5.1.6 gone\n',
  relayhosts: 's@sender.example [senderhop]\n@dunno.example DUNNO\n"<>" [nullhop]\n',
  transports: 's@sender.example slow:\n@dunno.example dunno\n@hop.example fast:[fasthop]\n',
}

for (const [name, values] of Object.entries(CONFIGURATIONS)) {
  test(`rewriting and resolving agree with Postfix: ${name}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    const main = { ...NAMES, ...values }
    await using judge = await startRealPostfix({ main, master: MASTER, files: FILES })
    const own = Object.entries(main).map(
      ([key, value]) => [key, value.replaceAll('$DIR', `${judge.directory}/etc`)] as const,
    )
    const router = openRouter(configFrom({ compatibility_level: '3.11', ...Object.fromEntries(own) }))
    const differences: string[] = []
    const compare = (what: string, ours: unknown, theirs: unknown): void => {
      const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)]
      if (a !== b) differences.push(`${what}: ours ${a} theirs ${b}`)
    }
    for (const external of EXTERNAL) {
      for (const rule of ['local', 'remote'] as const) {
        compare(
          `rewrite ${rule} ${external}`, router.rewrite(rule, external), await judgeRewrite(judge, rule, external),
        )
      }
    }
    for (const sender of ['', 's@sender.example', 'x@dunno.example', 'x@hop.example']) {
      for (const address of ['', ...ADDRESSES]) {
        const [ours, theirs] = [await router.resolve(sender, address), await judgeResolve(judge, sender, address)]
        compare(`resolve ${sender} ${address}`, comparable(ours), comparable(theirs))
      }
    }
    assert.deepEqual(differences, [])
    return undefined
  })
}
