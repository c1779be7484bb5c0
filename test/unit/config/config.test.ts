/** Values of parameters: see src/config/config.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { configFrom } from '#config/load.ts'
import type { LocalAddress, Machine } from '#config/machine.ts'
import { isParameterName, PARAMETERS } from '#config/parameters/table.ts'
import { createConfigSite } from '#test/support/postconf.ts'

const ADDRESSES: readonly LocalAddress[] = [
  { family: 4, address: '127.0.0.1', prefix: 8, loopback: true },
  { family: 4, address: '192.0.2.130', prefix: 25, loopback: false },
  { family: 6, address: '::1', prefix: 128, loopback: true },
  { family: 6, address: '2001:db8::5:0:1', prefix: 64, loopback: false },
]
const machine: Machine = { hostName: () => 'vm', addresses: () => ADDRESSES }

const withMachine = (values: Readonly<Record<string, string>>) => {
  return new Config({ directory: '/c', values: new Map(Object.entries(values)), machine })
}

test('every default is a value that its kind accepts', () => {
  const config = withMachine({ virtual_mailbox_base: '/var/mail' })
  for (const [name, { kind }] of Object.entries(PARAMETERS)) {
    assert.ok(isParameterName(name))
    const text = config.str(name)
    if (kind === 'bool' || kind === 'nbool') assert.match(text, /^(?:yes|no)$/, name)
    if (kind === 'int' || kind === 'nint' || kind === 'long') assert.match(text, /^\d+$/, name)
    if (kind === 'time') assert.match(text, /^\d+[smhdw]$/, name)
  }
})

test('a value is -o before main.cf before the default', () => {
  const config = configFrom({ relayhost: 'a' })
  assert.equal(config.str('relayhost'), 'a')
  assert.equal(config.withOverrides(new Map([['relayhost', '']])).str('relayhost'), '')
  assert.equal(config.str('myorigin'), config.str('myhostname'))
  assert.deepEqual([config.isSet('relayhost'), config.isSet('myorigin')], [true, false])
})

test('int(), bool() and time() read values with their units', () => {
  const config = configFrom({
    soft_bounce: 'YES', queue_run_delay: '5m', smtpd_timeout: '20', delay_warning_time: '2', stress: 'yes',
  })
  assert.equal(config.bool('soft_bounce'), true)
  assert.equal(config.time('queue_run_delay'), 300)
  assert.equal(config.time('smtpd_timeout'), 20)
  assert.equal(config.time('delay_warning_time'), 7200)
  assert.equal(config.time('smtpd_starttls_timeout'), 10)
  assert.equal(config.int('smtpd_hard_error_limit'), 1)
  assert.equal(config.int('postscreen_pre_queue_limit'), 100)
})

test('int(), bool(), time() and str() refuse in the words of Postfix', () => {
  const config = configFrom({
    bounce_size_limit: 'x', hopcount_limit: '0', hash_queue_depth: '99999999999', soft_bounce: 'maybe',
    queue_run_delay: '5y', in_flow_delay: '11s', cleanup_service_name: '', relayhost: '${x',
  })
  const cases: readonly (readonly [() => unknown, string])[] = [
    [() => config.int('bounce_size_limit'), 'bad numerical configuration: bounce_size_limit = x'],
    [() => config.int('hopcount_limit'), 'invalid hopcount_limit parameter value 0 < 1'],
    [() => config.int('hash_queue_depth'), 'bad numerical configuration: hash_queue_depth = 99999999999'],
    [() => config.bool('soft_bounce'), 'bad boolean configuration: soft_bounce = maybe'],
    [() => config.time('queue_run_delay'), 'parameter queue_run_delay: bad time value or unit: 5y'],
    [() => config.time('in_flow_delay'), 'invalid in_flow_delay: 11 (max 10)'],
    [() => config.str('cleanup_service_name'), 'bad string length 0 < 1: cleanup_service_name = '],
    [() => config.str('relayhost'), 'dictionary mail_dict: macro processing error'],
  ]
  for (const [read, message] of cases) {
    assert.throws(read, (error) => error instanceof ConfigError && error.message === message)
  }
})

test('list() splits at commas and white space, outside braces', () => {
  const config = configFrom({ mydestination: 'a, $b {c, d}\t e', b: 'x y' })
  assert.deepEqual(config.list('mydestination'), ['a', 'x', 'y', '{c, d}', 'e'])
})

test('raw parameters keep their $name', () => {
  assert.equal(configFrom({ luser_relay: '$user@x' }).str('luser_relay'), '$user@x')
})

test('dynamic() reads a name made at run time, else its fallback', () => {
  const config = configFrom({ slow_destination_concurrency_limit: '$n', n: '3', slow_destination_rate_delay: '2m' })
  assert.equal(config.dynamicInt('slow_destination_concurrency_limit', 'default_destination_concurrency_limit'), 3)
  assert.equal(config.dynamicInt('fast_destination_concurrency_limit', 'default_destination_concurrency_limit'), 20)
  assert.equal(config.dynamicInt('local_destination_concurrency_limit', 'default_destination_concurrency_limit'), 2)
  assert.equal(config.dynamicTime('slow_destination_rate_delay', 'default_destination_rate_delay'), 120)
})

test('myorigin names a file whose first line counts', () => {
  using site = createConfigSite({ mailname: 'm.example \nx\n' })
  const config = configFrom({ myorigin: `${site.directory}/mailname`, relayhost: '$myorigin' })
  assert.deepEqual([config.str('myorigin'), config.str('relayhost')], ['m.example', 'm.example'])
  assert.equal(config.raw('myorigin'), `${site.directory}/mailname`)
  const message = 'open /no/such: No such file or directory'
  assert.throws(() => configFrom({ myorigin: '/no/such' }).str('myorigin'), new ConfigError(message))
})

test('expand() puts extra names before parameters', () => {
  const config = configFrom({ a: '1', b: '$a' })
  assert.equal(config.expand('$a $b ${constructor?x}', { a: '2' }), '2 2 ')
})

test('host name, domain and networks come from the machine', () => {
  assert.equal(withMachine({}).str('myhostname'), 'vm.localdomain')
  assert.equal(withMachine({ mydomain: 'd.example' }).str('myhostname'), 'vm.d.example')
  assert.equal(withMachine({ myhostname: 'a.b.c' }).str('mydomain'), 'b.c')
  assert.equal(withMachine({}).str('mynetworks'), '127.0.0.0/8 192.0.2.128/25 [::1]/128 [2001:db8::]/64 ')
  const host = '127.0.0.1/32 192.0.2.130/32 [::1]/128 [2001:db8::5:0:1]/128 '
  assert.equal(withMachine({ compatibility_level: '2' }).str('mynetworks'), host)
  const classes = withMachine({ mynetworks_style: 'class', inet_protocols: 'ipv4' })
  assert.equal(classes.str('mynetworks'), '127.0.0.0/8 192.0.2.0/24 ')
  assert.equal(withMachine({ inet_interfaces: '[::1], 192.0.2.130' }).str('mynetworks'), '192.0.2.128/25 [::1]/128 ')
})

test('time() takes each unit, and the unit of the default where none is written', () => {
  const cases = [['90', 90], ['90s', 90], ['2m', 120], ['2h', 7200], ['2d', 172_800], ['2w', 1_209_600]] as const
  for (const [text, seconds] of cases) assert.equal(configFrom({ minimal_backoff_time: text }).time('minimal_backoff_time'), seconds, text)
  const bare = configFrom({ maximal_queue_lifetime: '2', delay_warning_time: '2', queue_run_delay: '2' })
  assert.deepEqual(
    [bare.time('maximal_queue_lifetime'), bare.time('delay_warning_time'), bare.time('queue_run_delay')], [172_800, 7200, 2],
  )
  for (const text of ['1.5h', '2x', 'h', '-1s']) {
    assert.throws(() => configFrom({ minimal_backoff_time: text }).time('minimal_backoff_time'), ConfigError, text)
  }
})

test('every setting of a delivery service has a name with the service in front', () => {
  const numbers = [
    'destination_concurrency_limit', 'destination_recipient_limit', 'destination_concurrency_failed_cohort_limit', 'recipient_limit',
    'extra_recipient_limit', 'minimum_delivery_slots', 'delivery_slot_cost', 'delivery_slot_loan', 'delivery_slot_discount',
    'recipient_refill_limit', 'initial_destination_concurrency',
  ] as const
  for (const name of numbers) {
    const fallback = name === 'initial_destination_concurrency' ? name : `default_${name}` as const
    const config = configFrom({ slow_one: '1', [`slow_${name}`]: '7' })
    assert.equal(config.dynamicInt(`slow_${name}`, fallback), 7, name)
    assert.equal(config.dynamicInt(`other_${name}`, fallback), config.int(fallback), name)
  }
  const local = configFrom({})
  assert.equal(local.dynamicInt('local_destination_recipient_limit', 'default_destination_recipient_limit'), 1)
  assert.equal(local.dynamicInt('local_destination_concurrency_limit', 'default_destination_concurrency_limit'), 2)
  const timed = configFrom({ slow_time_limit: '5m', command_time_limit: '10s' })
  assert.deepEqual(['slow', 'fast'].map((name) => timed.dynamicTime(`${name}_time_limit`, 'command_time_limit')), [300, 10])
})

test('local_recipient_maps asks the password database and the aliases unless it is set', () => {
  assert.equal(configFrom({ alias_maps: 'hash:/etc/aliases' }).str('local_recipient_maps'), 'proxy:unix:passwd.byname hash:/etc/aliases')
})
