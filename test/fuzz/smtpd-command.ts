/**
 * Whatever a client may send: see src/receive/smtpd/machine.ts. The session answers with lines of SMTP, never throws,
 * never makes a login or a TLS session of it, and says 250 to a message only after cleanup has.
 */
import assert from 'node:assert/strict'
import { Dialogue } from '#receive/smtpd/dialogue.ts'
import type { Logger } from '#system/log.ts'
import { testMachine } from '#test/support/smtp-session.ts'

const QUIET: Logger = {
  info: line, warning: line, error: line, fatal: line, panic: line, debug: line, verbose: false, as: () => QUIET, flush: () => undefined,
}

/** What a client sends must not make a second line in the log. */
function line(text: string): void {
  assert.ok(!/[\r\n\0]/.test(text), `log line ${JSON.stringify(text)}`)
}

const CONFIGURATIONS: readonly Readonly<Record<string, string>>[] = [
  {},
  { smtpd_forbid_bare_newline: 'reject', smtpd_forbid_unauth_pipelining: 'no', message_size_limit: '200' },
  { smtpd_forbid_unauth_pipelining: 'no', strict_rfc821_envelopes: 'yes', smtputf8_enable: 'no', soft_bounce: 'yes' },
  {
    smtpd_forbid_unauth_pipelining: 'no',
    smtpd_helo_required: 'yes',
    smtpd_recipient_limit: '2',
    smtpd_hard_error_limit: '100',
  },
]

/** One session: the first byte chooses the configuration and who the client is. */
export async function target(bytes: Uint8Array): Promise<void> {
  const first = bytes[0] ?? 0
  const trusted = (first & 4) !== 0
  const { machine, accepted, messages } = testMachine({
    values: { ...CONFIGURATIONS[first & 3], smtpd_tls_security_level: 'may', smtpd_error_sleep_time: '0' },
    ports: {
      log: QUIET, clientListed: (list) => trusted && (list === 'xclient' || list === 'xforward' || list === 'verp'),
    },
  })
  let text = ''
  const dialogue = new Dialogue(machine, {
    send: (more) => void (text += more), close: () => undefined, startTls: () => undefined, sleep: () => Promise.resolve(),
  })
  await dialogue.greet()
  const input = bytes.subarray(1)
  const cut = input.length === 0 ? 0 : (first * 13) % input.length
  await dialogue.push(input.slice(0, cut))
  if (!dialogue.closed) await dialogue.push(input.slice(cut))
  for (const reply of text.split('\r\n').slice(0, -1)) assert.match(reply, /^[2-5]\d\d[ -]/)
  assert.ok(text === '' || text.endsWith('\r\n'))
  assert.ok(trusted || machine.session.saslUsername === undefined)
  assert.equal(machine.session.tls, undefined)
  assert.equal(accepted.length, messages.filter(({ state }) => state === 'finished').length)
  assert.equal(text.match(/^250 2\.0\.0 Ok: (?:\d+ bytes )?queued as /gm)?.length ?? 0, accepted.length)
}
