/** Lists of domains in all their forms: the class of an address as trivial-rewrite of real Postfix 3.11 sees it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openRouter } from '#rewrite/resolve.ts'
import { judgeAbsent, startRealPostfix } from '#test/support/real-postfix.ts'

const MASTER = ['rewrite unix - - n - - trivial-rewrite']
const CLASSES = [[256, 'local'], [512, 'alias'], [1024, 'virtual'], [2048, 'relay'], [4096, 'default']] as const

const FILES = {
  names: '# a comment\nfile.example, .sub.file.example\n!not.file.example other.file.example\n\n',
  more: 'more.example\ninline:{tabled.more.example=x}\n',
  local: 'listed.local.example\n',
  table: 'table.example OK\n.dot.table.example OK\n',
}

const LISTS = {
  relay_domains: '!no.relay.example, Relay.Example .dot.example !inline:{never.example=x} inline:{tab.example=x,.tabdot.example=x} texthash:$DIR/table '
    + 'regexp:{{/^[a-c]\\.pattern\\.example$$/ x}} pipemap:{inline:{piped.example=y},inline:{y=z}} $DIR/names !$DIR/more never.example !!twice.example 192.0.2.0/24 [192.0.2.77]',
  mydestination: 'local.example !hidden.local.example .dotted.local.example inline:{tab.local.example=x} $myhostname $DIR/local',
  virtual_alias_domains: '!no.alias.example alias.example regexp:{{/\\.alias\\.example$$/ x}}',
}

const DOMAINS = [
  'relay.example', 'sub.RELAY.example', 'a.b.relay.example', 'no.relay.example', 'x.no.relay.example', 'norelay.example', 'dot.example', 'x.dot.example', 'x.y.dot.example', 'never.example', 'x.never.example',
  'tab.example', 'x.tab.example', 'tabdot.example', 'x.tabdot.example', 'table.example', 'x.table.example', 'dot.table.example', 'x.dot.table.example', 'a.pattern.example', 'd.pattern.example', 'x.a.pattern.example',
  'piped.example', 'x.piped.example', 'file.example', 'x.file.example', 'sub.file.example', 'x.sub.file.example', 'not.file.example', 'other.file.example', 'more.example', 'x.more.example', 'tabled.more.example',
  'twice.example', 'x.twice.example', 'local.example', 'LOCAL.example', 'x.local.example', 'hidden.local.example', 'dotted.local.example', 'x.dotted.local.example', 'tab.local.example', 'x.tab.local.example',
  'mail.example.org', 'listed.local.example', 'alias.example', 'x.alias.example', 'no.alias.example', 'nowhere.example', 'example', 'xn--tiger.example', 'tiger.example.',
]

const VARIANTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'names cover their sub-domains': { parent_domain_matches_subdomains: 'relay_domains' },
  'only a dot covers sub-domains': { parent_domain_matches_subdomains: '' },
}

for (const [title, values] of Object.entries(VARIANTS)) {
  test(`match lists: each address has the class that it has in Postfix: ${title}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    const main = { myhostname: 'mail.example.org', inet_interfaces: '127.0.0.1', ...LISTS, ...values }
    await using judge = await startRealPostfix({ main, master: MASTER, files: FILES })
    const own = Object.entries(main).map(([name, value]) => [name, value.replaceAll('$DIR', `${judge.directory}/etc`)] as const)
    const router = openRouter(configFrom({ compatibility_level: '3.11', ...Object.fromEntries(own) }))
    const classes: Record<string, readonly [ours: string, theirs: string]> = {}
    for (const domain of DOMAINS) {
      const reply = await judge.ask('rewrite', [['request', 'resolve'], ['sender', ''], ['address', `user@${domain}`]])
      const flags = Number(reply.get('flags'))
      const theirs = CLASSES.find(([bit]) => (flags & bit) !== 0)?.[1] ?? `flags ${flags}`
      classes[domain] = [(await router.resolve('', `user@${domain}`)).class, theirs]
    }
    assert.deepEqual(Object.fromEntries(Object.entries(classes).filter(([, [ours, theirs]]) => ours !== theirs)), {})
    assert.ok(new Set(Object.values(classes).map(([, theirs]) => theirs)).size >= 4)
    return undefined
  })
}
