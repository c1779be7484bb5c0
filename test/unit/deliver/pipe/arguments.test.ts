/** Arguments and options of pipe services: see src/deliver/pipe. */
import assert from 'node:assert/strict'
import { userInfo } from 'node:os'
import { test } from 'node:test'
import { queueId } from '#queue/spool.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import { expandArguments } from '#deliver/pipe/arguments.ts'
import { parsePipeWords } from '#deliver/pipe/settings.ts'

const REQUEST: DeliverRequest = {
  queueName: 'active', queueId: queueId('4X1'), dataOffset: 0, contentSize: 321, contentLength: 321, sendOptions: 0,
  sender: 'a b@example.org', nexthop: 'next', encoding: '', envelopeId: 'env', retFlags: 0,
  flags: { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false },
  arrival: { seconds: 0, microseconds: 0 }, activeArrival: 0, clientName: 'c', clientAddress: '192.0.2.1', clientPort: '', heloName: 'h',
  protocolName: 'ESMTP', saslMethod: '', saslUsername: '', saslSender: '', logIdent: '', rewriteContext: '', recipients: [],
}
const rcpt = (address: string) => ({ offset: 1, address, original: 'o@example.org', dsnOrcpt: '', notify: 0 })
const RECIPIENTS = [rcpt('Bob+Ext@Example.NET'), rcpt('eve@Example.NET')]

function expand(words: string[], flags = '') {
  return expandArguments(words, REQUEST, RECIPIENTS, { flags: new Set(flags), delimiters: '+', nullSender: 'MAILER-DAEMON' })
}

test('expandArguments() repeats an argument that names a recipient, and no other', () => {
  assert.deepEqual(expand(['/bin/x', '-f', '${sender}', '${recipient}', '-s', '$size', '$(nexthop)', 'x$$y']), [
    '/bin/x', '-f', 'a b@example.org', 'Bob+Ext@Example.NET', 'eve@Example.NET', '-s', '321', 'next', 'x$y',
  ])
})

test('expandArguments() cuts and folds as the flags say', () => {
  assert.deepEqual(expand(['${user}', '${extension}', '${domain}'], 'hu'), ['bob', 'eve', 'ext', '', 'example.net', 'example.net'])
  assert.deepEqual(expand(['${sender}'], 'q'), ['"a b"@example.org'])
})

test('expandArguments() folds addresses, the original one too, and quotes what stands for the null sender', () => {
  const options = { flags: new Set('hq'), delimiters: '+', nullSender: 'a b' }
  const recipient = { ...rcpt('Bob@Example.NET'), original: 'Orig@Example.ORG' }
  const words = expandArguments(['$recipient $original_recipient', '$sender'], { ...REQUEST, sender: '' }, [recipient], options)
  assert.deepEqual(words, ['Bob@example.net Orig@example.org', '"a b"'])
})

test('expandArguments() keeps an argument whose value is empty, but for ${user}', () => {
  const options = { flags: new Set<string>(), delimiters: '+', nullSender: '' }
  const words = expandArguments(['${user}', '${extension}', '${sender}', 'end'], { ...REQUEST, sender: '' }, [rcpt('@example.net')], options)
  assert.deepEqual(words, ['', '', 'end'])
})

test('expandArguments() does not expand what a value contains, and refuses unknown names', () => {
  const request = { ...REQUEST, sender: '${recipient}@x' }
  const options = { flags: new Set<string>(), delimiters: '', nullSender: '' }
  assert.deepEqual(expandArguments(['${sender}'], request, RECIPIENTS, options), ['${recipient}@x'])
  assert.throws(() => expand(['${nothing}']), /unknown macro name: "nothing"/)
})

test('parsePipeWords() reads the attributes and keeps argv as it stands', () => {
  const user = userInfo().username
  const settings = parsePipeWords(['flags=DRhu', `user=${user}`, 'eol=\\r\\n', 'size=10', 'argv=/bin/x', '-d', '${user}'], 'p', [])
  assert.deepEqual([...settings.flags], ['D', 'R', 'h', 'u'])
  assert.deepEqual(settings.argv, ['/bin/x', '-d', '${user}'])
  assert.equal(settings.eol, '\r\n')
  assert.equal(settings.sizeMax, 10)
})

test('parsePipeWords() takes names in any case, and any line end', () => {
  const settings = parsePipeWords(['Flags=D', `USER=${userInfo().username}`, 'EOL=\\0x\\n', 'ARGV=/bin/x'], 'p', [])
  assert.deepEqual([[...settings.flags], settings.eol, settings.argv], [['D'], '\0x\n', ['/bin/x']])
})

test('parsePipeWords() refuses what it cannot carry out, by name', () => {
  const user = `user=${userInfo().username}`
  const cases = [
    [[user], /missing argv=/], [['argv=/bin/x'], /missing user=/], [[user, 'flags=Z', 'argv=/x'], /unknown flag: Z/],
    [[user, 'foo=bar', 'argv=/x'], /unknown attribute: foo=bar/], [['user=no-such-user-here', 'argv=/x'], /unknown username/],
    [[user, 'chroot=/x', 'argv=/x'], /chroot= is not available/],
  ] as const
  for (const [words, expected] of cases) assert.throws(() => parsePipeWords(words, 'p', []), expected)
  const { uid, gid } = userInfo()
  const guarded = { uid, gid, userText: 'this user', groupText: 'this group' }
  assert.throws(() => parsePipeWords([user, 'argv=/x'], 'p', [guarded]), /attribute specifies this user/)
  assert.throws(() => parsePipeWords([user, 'argv=/x'], 'p', [{ gid, userText: '', groupText: 'this group' }]), /attribute specifies this group/)
})
