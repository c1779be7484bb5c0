/** Command lines of sendmail. What it says about wrong ones is compared with Postfix in test/interop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readOptions, type SendmailOptions } from '#commands/sendmail/options.ts'

function read(argv: readonly string[], name = 'sendmail'): { options: SendmailOptions; warnings: string[] } {
  const warnings: string[] = []
  const options = readOptions(name, argv, {
    warn: (text) => warnings.push(text),
    fatal: (text) => { throw new Error(text) },
  })
  return { options, warnings }
}

test('readOptions() takes options in all their forms', () => {
  const cases: readonly (readonly [readonly string[], Partial<SendmailOptions>])[] = [
    [['a'], { mode: 'submit', recipients: ['a'], dotEnds: true, sender: undefined }],
    [['-i', '-fx', 'a'], { sender: 'x', dotEnds: false, recipients: ['a'] }],
    [['-oi', '-f', '', 'a'], { sender: '', dotEnds: false, recipients: ['a'] }],
    [['-itf', 'x', 'a'], { sender: 'x', dotEnds: false, fromHeaders: true, recipients: ['a'] }],
    [['-N', 'success,delay', '-R', 'full', '-V', 'env', 'a'], { notify: 10, returnFlags: 1, envelopeId: 'env' }],
    [['-V', 'id', 'a'], { verp: '', envelopeId: undefined, recipients: ['id', 'a'] }],
    [['-V+=', 'a'], { verp: '+=', recipients: ['a'] }],
    [['-XV', 'a'], { verp: '', recipients: ['a'] }],
    [['-q'], { mode: 'flush', recipients: [] }],
    [['-q', 'a'], { mode: 'flush', recipients: ['a'] }],
    [['-q5m', '-t'], { mode: 'nothing' }],
    [['-bd', '-q30m'], { mode: 'daemon' }],
    [['-qRsite'], { mode: 'submit', site: 'site' }],
    [['-qIid'], { queueId: 'id' }],
    [['-bp'], { mode: 'list' }],
    [['-bi'], { mode: 'aliases' }],
    [['-bs'], { mode: 'dialog' }],
    [['-bv', 'a'], { verify: true, mode: 'submit' }],
    [['-C', '/x/main.cf', 'a'], { configDirectory: '/x' }],
    [['-f', '-x', '--', '-y'], { sender: '-x', recipients: ['-y'] }],
  ]
  for (const [argv, expected] of cases) {
    const { options } = read(argv)
    const seen = Object.fromEntries(Object.keys(expected).map((key) => [key, Reflect.get(options, key)]))
    assert.deepEqual(seen, expected, argv.join(' '))
  }
})

test('readOptions() knows the names that sendmail goes by', () => {
  assert.equal(read([], 'mailq').options.mode, 'list')
  assert.equal(read([], 'newaliases').options.mode, 'aliases')
  assert.equal(read(['a'], 'rsmtp').options.mode, 'submit')
})

test('readOptions() refuses what does not go together', () => {
  const cases = [
    [['-bz'], /unsupported: -bz/], [['-n'], /-n option not supported/], [['-qz'], /-qz is not implemented/],
    [['-qR'], /specify: -qRsitename/], [['-B', 'x'], /-B option needs/], [['-bp', '-t'], /-t can be used only in delivery mode/],
    [['-bv', '-N', 'never', 'a'], /-N option cannot be used with -bv/],
  ] as const
  for (const [argv, text] of cases) assert.throws(() => read(argv), text)
})
