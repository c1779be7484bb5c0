/** What our smtpd and the real one put into the queue for the same dialog: record by record the same. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { comparableRecords, MAIL_SERVICES } from '#test/support/judge.ts'
import { captureLog } from '#test/support/log.ts'
import { freePorts } from '#test/support/ports.ts'
import { judgeAbsent, startRealPostfix } from '#test/support/real-postfix.ts'
import { parseDialog, playDialog } from '#test/support/smtpd-dialog.ts'
import { DIALOG_VALUES, startSmtpd } from '#test/support/smtpd.ts'

const VALUES = {
  smtpd_data_restrictions: 'check_client_access static:HOLD',
  smtpd_authorized_xforward_hosts: '127.0.0.0/8',
  smtpd_authorized_xclient_hosts: '127.0.0.0/8',
  smtpd_authorized_verp_clients: '127.0.0.0/8',
  smtpd_recipient_restrictions: 'check_recipient_access inline:{ { p@example.org = PREPEND X-Note: yes } { f@example.org = FILTER smtp:x }'
    + ' { r@example.org = REDIRECT z@example.org } { c@example.org = BCC y@example.org } }',
  mail_name: 'Mail',
}

/** Client lines; each reply is skipped. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  plain: [
    'HELO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'two recipients': [
    'EHLO x',
    'MAIL FROM:<>',
    'RCPT TO:<b@example.org>',
    'RCPT TO:<"c d"@example.org>',
    'DATA',
    'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'all options': [
    'EHLO x', 'MAIL FROM:<a@example.net> SIZE=100 BODY=8BITMIME RET=HDRS ENVID=e+20f AUTH=u@v XVERP=-=',
    'RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+40p', 'RCPT TO:<c@example.org> NOTIFY=NEVER', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  utf8: [
    'EHLO x',
    'MAIL FROM:<\\xc3\\xa9@example.net> SMTPUTF8',
    'RCPT TO:<\\xc3\\xa8@example.org>',
    'DATA',
    'Subject: \\xc3\\xa9\\r\\n\\r\\nbody\\r\\n.',
  ],
  'no helo': ['MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA', 'body\\r\\n.'],
  chunks: [
    'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'BDAT 18 LAST\\r\\nSubject: x\\r\\n\\r\\nbody',
  ],
  xforward: [
    'EHLO x', 'XFORWARD NAME=spike.example ADDR=198.51.100.7 PORT=99 PROTO=ESMTP HELO=h IDENT=ABC SOURCE=REMOTE',
    'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'xforward in part': [
    'EHLO x', 'XFORWARD NAME=[UNAVAILABLE] ADDR=[UNAVAILABLE] HELO=[UNAVAILABLE]',
    'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  xclient: [
    'EHLO x', 'XCLIENT NAME=client.example ADDR=198.51.100.7 PORT=99 LOGIN=bob DESTADDR=198.51.100.1 DESTPORT=587', 'EHLO y',
    'MAIL FROM:<a@example.net>', 'RCPT TO:<b@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'action prepend': [
    'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<p@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'action filter': [
    'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<f@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'action redirect': [
    'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<r@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'action bcc': [
    'EHLO x', 'MAIL FROM:<a@example.net>', 'RCPT TO:<c@example.org>', 'DATA', 'Subject: x\\r\\n\\r\\nbody\\r\\n.',
  ],
  'odd content': [
    'EHLO x',
    'MAIL FROM:<a@example.net>',
    'RCPT TO:<b@example.org>',
    'DATA',
    'From a b\\r\\nSubject: x\\r\\n\\r\\n..\\r\\n{5000*x}\\r\\n.',
  ],
}

function dialogText(lines: readonly string[]): string {
  return ['S- greeting', ...lines.flatMap((line) => [line.startsWith('BDAT') ? `C> ${line}` : `C: ${line}`, 'S- reply']), 'C: QUIT', 'S- bye', 'CLOSED'].join('\n')
}

/** The real smtpd sends the NOTIFY of a BCC recipient behind it, where it has no effect; ours sends it before. */
function withoutHiddenNotify(lines: readonly string[]): string[] {
  return lines.filter(
    (line, i) => !(line === 'A notify_flags=1' && lines[i + 1] === 'A dsn_orig_rcpt=rfc822;y@example.org'),
  )
}

/** The one message that is on hold; it is removed. */
function takeHeld(queue: string): string[] {
  const [id, ...more] = readdirSync(join(queue, 'hold')).filter((name) => /^[0-9A-F]+$/.test(name))
  assert.ok(id !== undefined && more.length === 0, `one message on hold in ${queue}`)
  const bytes = readFileSync(join(queue, 'hold', id))
  rmSync(join(queue, 'hold', id))
  return comparableRecords(bytes, id).map(
    (line) => line.replace(/((?:log_)?client_port|server_port)=(?!99$|587$)\d+/, '$1=PORT'),
  )
}

test('smtpd puts the same records into the queue as the real one', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const [port = 0] = await freePorts(1)
  await using real = await startRealPostfix({
    main: { ...DIALOG_VALUES, ...VALUES }, master: [...MAIL_SERVICES, `127.0.0.1:${port} inet n - n - - smtpd`],
  })
  for (const [name, lines] of Object.entries(CASES)) {
    await t.test(name, async () => {
      using _ = captureLog()
      const dialog = parseDialog(name, dialogText(lines))
      await playDialog(dialog, port)
      await using smtpd = await startSmtpd({ values: VALUES })
      await playDialog(dialog, smtpd.port)
      await smtpd.idle()
      assert.deepEqual(withoutHiddenNotify(takeHeld(smtpd.spool.path)), takeHeld(join(real.directory, 'queue')))
    })
  }
  return undefined
})
