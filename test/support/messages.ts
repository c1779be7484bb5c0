/**
 * Varied messages for two mail systems to take in: the same seed gives the same messages.
 *
 * Message N has `nNNN@relay.example` as its first recipient, which no rule rewrites: by it the two copies are found.
 */
import { randomFrom, type Random } from '#test/fuzz/mutate.ts'

/** One submission. */
export type Submission =
  | {
    readonly door: 'smtp'
    readonly number: number
    readonly smtputf8: boolean
    /** With parameters: `FROM:<a@b> BODY=8BITMIME`. */
    readonly mail: string
    readonly recipients: readonly string[]
    /** Bytes as latin1 text; lines end in CRLF, dots are not doubled. */
    readonly content: string
  }
  | { readonly door: 'sendmail'; readonly number: number; readonly args: readonly string[]; readonly content: string }

const SIZES = [0, 1, 40, 300, 997, 998, 999, 2047, 2048, 2049, 4096, 5000, 20_000, 65_536, 120_000, 300_000]
const SENDERS = [
  'sender@client.example', '', 'Mixed.Case@Client.Example', 'user+ext@client.example', 'local', 'canon@example.org',
  '"quoted sender"@client.example', 'owner-list@client.example',
]
const RECIPIENTS = [
  'bob@example.org', 'Carol@Example.ORG', 'alias@example.org', 'group@example.org', 'local', 'canon@example.org',
  'user+x@example.org', '"a b"@relay.example',
  'dave@other.example', 'eve%relay.example@localhost', 'frank@sub.relay.example',
]
const HEADERS = [
  'Subject: plain', 'Subject: =?utf-8?q?caf=C3=A9?=', 'Subject:', 'From: Alice <alice@client.example>',
  'From: alice (a comment)', 'From: canon@example.org', 'To: bob@example.org',
  'To: Bob <bob@example.org>,\r\n\tCarol <carol@example.org>', 'To: undisclosed-recipients:;',
  'Cc: canon@example.org, local', 'Bcc: secret@example.org',
  'Date: Fri, 20 Nov 2026 10:00:00 +0000', 'Message-ID: <fixed@client.example>', 'Message-Id: broken',
  'Resent-From: r@client.example', 'Resent-To: canon@example.org', 'Reply-To: local',
  'Return-Path: <forged@client.example>', 'Received: from a by b; Fri, 20 Nov 2026 10:00:00 +0000',
  'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: 8bit', 'Content-Transfer-Encoding: 7bit', 'Content-Type: multipart/mixed; boundary="b"',
  'X-Hold: yes', 'X-Long: '.concat('word '.repeat(300)), 'Errors-To: e@client.example',
  'X-8bit: caf\u00e9', 'Sender: canon@example.org', 'Content-Length: 12', 'X-Empty:',
  'Disposition-Notification-To: canon@example.org',
]
const BODY_LINES = [
  'text', '', '.', '..', '.x', 'From here', '>From there', ' leading blank', '\ttab', 'caf\u00e9 \u00ff', 'a\rb',
  'nul\0nul', '--b', '--b--', 'x'.repeat(78), 'trailing  ',
]
const ODD_STARTS = [
  '', '', '', '', 'From someone Fri Nov 20 10:00:00 2026\r\n', '>From x\r\n', ' begins with a blank\r\n',
  'no header at all\r\n', '\r\n', 'X-Space : v\r\n',
]
const MAIL_PARAMETERS = [
  '', '', '', ' BODY=8BITMIME', ' BODY=7BIT', ' RET=HDRS', ' RET=FULL ENVID=env+2Bid', ' ENVID=QQ314159', ' SIZE=100',
]
const RCPT_PARAMETERS = [
  '', '', '', ' NOTIFY=NEVER', ' NOTIFY=FAILURE,DELAY', ' NOTIFY=DELAY', ' ORCPT=rfc822;orig+40relay.example',
  ' NOTIFY=FAILURE ORCPT=rfc822;Bob@example.org',
]
const MAIL_OPTIONS = [
  [], [], ['-F', 'Full Name'], ['-F', 'Odd "Name" (x)'], ['-N', 'never'], ['-N', 'failure,delay'], ['-R', 'hdrs'],
  ['-V', 'env-id'], ['-B', '8BITMIME'], ['-G'],
]
const SENDER_OPTIONS = [
  [], ['-f', 'sender@client.example'], ['-f', 'canon@example.org'], ['-f', ''], ['-f', '<>'], ['-r', 'local'],
]
const MANY_RECIPIENTS = 150

function pick<T>(random: Random, values: readonly [T, ...T[]] | readonly T[]): T {
  const value = values[random(values.length)]
  if (value === undefined) throw new RangeError('nothing to pick from')
  return value
}

function several<T>(random: Random, values: readonly T[], most: number): T[] {
  return Array.from({ length: random(most + 1) }, () => pick(random, values))
}

function body(random: Random, size: number): string {
  const lines: string[] = []
  for (let left = size; left > 0;) {
    const long = random(12) === 0 ? 'y'.repeat(Math.min(left, pick(random, [1000, 2046, 2048, 4096, 9000]))) : undefined
    const line = long ?? (size > 5000 ? 'z'.repeat(76) : pick(random, BODY_LINES))
    lines.push(line)
    left -= line.length + 2
  }
  return lines.map((line) => `${line}\r\n`).join('')
}

function content(random: Random): string {
  const size = pick(random, SIZES)
  const head = several(random, HEADERS, 9)
  const start = pick(random, ODD_STARTS)
  if (size === 0 && random(2) === 0) return ''
  return `${start}${head.map((line) => `${line}\r\n`).join('')}\r\n${body(random, size)}`
}

function bySmtp(random: Random, number: number, first: string): Submission {
  const smtputf8 = random(12) === 0
  const sender = smtputf8 ? 'r\u00c3\u00a9mi@client.example' : pick(random, SENDERS)
  const many = random(15) === 0 ? Array.from({ length: MANY_RECIPIENTS }, (_, i) => `m${i}@relay${i % 7}.example`) : []
  const others = [...several(random, RECIPIENTS, 4), ...many, ...(smtputf8 ? ['j\u00c3\u00b6rg@relay.example'] : [])]
  const recipients = [first, ...others].map((address) => `<${address}>${pick(random, RCPT_PARAMETERS)}`)
  const mail = `FROM:<${sender}>${pick(random, MAIL_PARAMETERS)}${smtputf8 ? ' SMTPUTF8' : ''}`
  return { door: 'smtp', number, smtputf8, mail, recipients, content: content(random) }
}

function bySendmail(random: Random, number: number, first: string): Submission {
  const text = content(random).replaceAll('\r\n', random(8) === 0 ? '\r\n' : '\n')
  const sender = pick(random, SENDER_OPTIONS)
  const options = [...sender, ...pick(random, MAIL_OPTIONS), ...(random(2) === 0 ? ['-i'] : [])]
  const others = several(random, RECIPIENTS, 3)
  const cut = random(3) === 0 ? text.replace(/\r?\n$/, '') : text
  if (random(4) > 0) return { door: 'sendmail', number, args: [...options, '--', first, ...others], content: cut }
  const head = `To: ${[first, ...others].join(', ')}\nBcc: hidden@relay.example\n`
  return { door: 'sendmail', number, args: [...options, '-t'], content: head + withoutResent(cut) }
}

/** Resent-To: would count in place of To:, and the message could not be found again. */
function withoutResent(text: string): string {
  return text.replace(/^\r?\n/, '\n').replaceAll(/^Resent-.*\n/gm, '')
}

/** `count` messages, three of four by SMTP. */
export function submissions(count: number, seed: number): Submission[] {
  const random = randomFrom(seed)
  return Array.from({ length: count }, (_, number) => {
    const first = `n${String(number).padStart(3, '0')}@relay.example`
    return random(4) === 0 ? bySendmail(random, number, first) : bySmtp(random, number, first)
  })
}
