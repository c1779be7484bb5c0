/** Notices about mail that fails, is late or has arrived: those of ours and of the real bounce, line by line. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type Twin } from '#test/support/twins.ts'

const CONTENT = [
  'From: "A" <a@far.example>', 'Message-Id: <one@far.example>', 'Subject: h\u00e9llo', 'X-Long: a', ' folded', '', 'Body.', '.', 'caf\u00e9', '',
].join('\n')

function refusal(address: string): string {
  if (address.startsWith('bad')) return '550 5.1.1 <bad>: no such user, and a rather long explanation of why that is so, with  two blanks'
  if (address.startsWith('lines')) return '554-5.7.1 one\r\n554-5.7.1 two\r\n554 5.7.1 three'
  if (address.startsWith('plain')) return '550 no'
  return address.startsWith('late') ? '450 4.2.0 later' : '250 2.1.5 Ok'
}

type Sent = readonly [from: string, to: readonly string[], mail?: string, rcpt?: string]

const MAIL: readonly Sent[] = [
  ['s1@far.example', ['bad1@far.example']],
  ['s2@far.example', ['bad1@far.example', 'bad2@far.example', 'fine@far.example', 'lines@far.example', 'plain@far.example']],
  ['s3@far.example', ['bad1@far.example'], ' RET=HDRS ENVID=some+20thing', ' ORCPT=rfc822;first@origin.example'],
  ['s4@far.example', ['bad1@far.example'], ' RET=FULL BODY=8BITMIME', ' NOTIFY=FAILURE'],
  ['s5@far.example', ['bad1@far.example'], '', ' NOTIFY=NEVER'],
  ['s6@far.example', ['bad1@far.example', 'fine@far.example'], ' ENVID=x', ' NOTIFY=SUCCESS'],
  ['s7@far.example', ['fine@far.example'], ' BODY=7BIT', ' NOTIFY=SUCCESS,FAILURE,DELAY'],
  ['', ['bad1@far.example']],
  ['double-bounce@mail.example.org', ['bad1@far.example']],
  ['double-bounce@example.org', ['bad1@far.example']],
  ['bad-sender@far.example', ['bad1@far.example']],
  ['"quoted sender"@far.example', ['"bad quoted"@far.example']],
  ['s8@far.example', ['list@example.org'], '', ' NOTIFY=SUCCESS'],
  ['s9@far.example', ['nosuch@example.org']],
  ['s10@far.example', ['late@far.example']],
  ['', ['late@far.example']],
]

async function sendAll(twin: Twin): Promise<void> {
  for (const [from, to, mail = '', rcpt = ''] of MAIL) await twin.send(from, to, Buffer.from(CONTENT).toString('latin1'), { mail, rcpt })
  await twin.settled()
}

for (const [what, main] of [
  ['by default', {}],
  ['with all of notify_classes', {
    notify_classes: 'bounce, 2bounce, delay', bounce_notice_recipient: 'single@far.example', '2bounce_notice_recipient': 'double@far.example',
    delay_notice_recipient: 'delay@far.example',
  }],
  ['when mail expires at once', { maximal_queue_lifetime: '0', bounce_queue_lifetime: '0', notify_classes: '2bounce', '2bounce_notice_recipient': 'double@far.example' }],
  ['with a small bounce_size_limit, threads, and old headers', { bounce_size_limit: '50', enable_threaded_bounces: 'yes', header_from_format: 'obsolete', smtputf8_enable: 'no' }],
] as const) {
  test(`notices are those of the real bounce, ${what}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    await using twins = await startTwins({
      main: { alias_maps: 'texthash:$DIR/aliases', smtpd_reject_unlisted_recipient: 'no', ...main },
      files: { aliases: 'list x@far.example, y@far.example\n' },
      replies: { rcpt: refusal },
    })
    await Promise.all([sendAll(twins.real), sendAll(twins.ours)])
    // The real one also logs a notice to a sender who wants none; there is no such mail.
    const lines = /^bounce\[(?!.*sender non-delivery)/
    assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
    assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
    return undefined
  })
}
