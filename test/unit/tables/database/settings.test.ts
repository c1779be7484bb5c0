/** Settings of database tables: see src/tables/database/settings.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openSettings, parseSettings } from '#tables/database/settings.ts'
import { captureLog } from '#test/support/log.ts'
import { tableFolder } from '#test/support/tables.ts'

const FILE = '/etc/postfix/x.cf'

test('parseSettings() reads names as main.cf has them, without expansion', () => {
  const settings = parseSettings("# comment\nquery = select $x\n  from y\nhosts=a, b\nempty =\nlimit = 5\nset = YES\n", FILE)
  assert.equal(settings.str('query', ''), 'select $x  from y')
  assert.equal(settings.str('hosts', ''), 'a, b')
  assert.equal(settings.str('none', 'other'), 'other')
  assert.equal(settings.str('empty', 'other'), '')
  assert.equal(settings.optional('empty'), undefined)
  assert.deepEqual([settings.has('empty'), settings.has('none')], [true, false])
  assert.deepEqual([settings.int('limit', 0), settings.int('none', 7)], [5, 7])
  assert.deepEqual([settings.bool('set', false), settings.bool('none', true)], [true, true])
})

test('parseSettings() refuses values out of bounds in the words of Postfix', () => {
  const settings = parseSettings('number = 5x\nyes = 1\nlow = 0\nhigh = 9\nbig = 99999999999\n', FILE)
  const cases: readonly (readonly [() => unknown, string])[] = [
    [() => settings.str('table', '', { min: 1 }), `${FILE}: bad string length 0 < 1: table = `],
    [() => settings.str('number', '', { max: 1 }), `${FILE}: bad string length 2 > 1: number = 5x`],
    [() => settings.int('number', 0), `${FILE}: bad numerical configuration: number = 5x`],
    [() => settings.int('big', 0), `${FILE}: bad numerical configuration: big = 99999999999`],
    [() => settings.int('low', 1, { min: 1 }), `${FILE}: invalid low parameter value 0 < 1`],
    [() => settings.int('high', 1, { max: 8 }), `${FILE}: invalid high parameter value 9 > 8`],
    [() => settings.bool('yes', true), `${FILE}: bad boolean configuration: yes = 1`],
    [() => parseSettings('foo bar\n', FILE), `${FILE}, line 1: missing '=' after attribute name: "foo bar"`],
  ]
  for (const [read, message] of cases) assert.throws(read, { name: 'TableOpenError', message })
})

test('parseSettings() warns about what it overrides', () => {
  using log = captureLog()
  assert.equal(parseSettings('a = 1\na = 2\n', FILE).str('a', ''), '2')
  assert.deepEqual(log.texts(), [`warning: ${FILE}, line 2: overriding earlier entry: a=1`])
})

test('openSettings() takes name_setting from main.cf, expanded, where the name is no path', () => {
  const config = configFrom({ mydomain: 'example.org', virtual_query: "select '$mydomain %s'", virtual_limit: 'x', virtual_tls: 'maybe' })
  const settings = openSettings('virtual', config)
  assert.equal(settings.str('query', ''), "select 'example.org %s'")
  assert.equal(settings.owner, undefined)
  assert.throws(() => settings.str('dbpath', '', { min: 1 }), { message: 'bad string length 0 < 1: virtual_dbpath = ' })
  assert.throws(() => settings.int('limit', 0), { message: 'bad numerical configuration: virtual_limit = x' })
  assert.throws(() => settings.bool('tls', false), { message: 'bad boolean configuration: virtual_tls = maybe' })
})

test('openSettings() reads a file and knows its owner', () => {
  using folder = tableFolder()
  const file = folder.write('x.cf', 'query = select 1\n')
  const settings = openSettings(file, configFrom({}))
  assert.deepEqual([settings.str('query', ''), settings.owner, settings.name], ['select 1', process.getuid?.(), file])
  assert.throws(() => openSettings('/no/file', configFrom({})), { message: 'open /no/file: No such file or directory' })
  assert.throws(() => openSettings(folder.path, configFrom({})), { message: `read ${folder.path}: Is a directory` })
})
