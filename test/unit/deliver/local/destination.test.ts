/** Destinations of aliases and .forward files: see src/deliver/local/destination.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseDestinations } from '#deliver/local/destination.ts'

const address = (text: string) => ({ kind: 'address', address: text })

test('parseDestinations() reads every form of aliases(5)', () => {
  const cases = [
    ['alice', [address('alice')]],
    ['alice, bob@example.org', [address('alice'), address('bob@example.org')]],
    ['"|/usr/bin/vacation -a \\"x, y\\" bob"', [{ kind: 'command', command: '/usr/bin/vacation -a "x, y" bob' }]],
    ['|/bin/cat', [{ kind: 'command', command: '/bin/cat' }]],
    ['/var/mail/archive', [{ kind: 'file', path: '/var/mail/archive' }]],
    ['"/var/mail/with blank/"', [{ kind: 'file', path: '/var/mail/with blank/' }]],
    [':include:/etc/lists/staff', [{ kind: 'include', path: '/etc/lists/staff' }]],
    ['\\bob', [address('\\bob')]],
    ['~/Mail/in', [{ kind: 'file', path: '~/Mail/in' }]],
    ['Bob <bob@example.org>', [address('bob@example.org')]],
    ['', []],
    [' , ,', []],
  ] as const
  for (const [text, expected] of cases) assert.deepEqual(parseDestinations(text), expected, text)
})

test('parseDestinations() takes comments only where a file has them', () => {
  assert.deepEqual(parseDestinations('# nobody', true), [])
  assert.deepEqual(parseDestinations('  # nobody', true), [])
})
