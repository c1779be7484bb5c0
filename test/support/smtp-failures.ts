/** Servers that fail, one per stage, and what a message to each comes to: for our client and for the real one. */
import type { Replies } from '#test/support/smtp-peer.ts'

const HOST = '127.0.0.1[127.0.0.1]'

/** Short waits, for servers that say nothing. */
export const IMPATIENT = {
  smtp_helo_timeout: '1s', smtp_mail_timeout: '1s', smtp_rcpt_timeout: '1s', smtp_data_init_timeout: '1s',
  smtp_data_xfer_timeout: '1s', smtp_data_done_timeout: '1s', smtp_rset_timeout: '1s',
} as const

/** One way to fail. */
export type FailureCase = {
  readonly name: string
  readonly replies: Replies
  /** `dsn=… status=… (…)` of the one recipient. */
  readonly end: string
  /** Whether the destination counts as dead. */
  readonly dead: boolean
  /** The session ends before it is settled whether it has TLS. */
  readonly early?: boolean
}

/** All of them. The host is `127.0.0.1[127.0.0.1]`. */
export const FAILURES: readonly FailureCase[] = [
  { name: 'greeting 554', replies: { greeting: '554 5.7.1 go away' }, dead: true, early: true,
    end: `dsn=4.7.1, status=deferred (host ${HOST} refused to talk to me: 554 5.7.1 go away)` },
  { name: 'greeting 421', replies: { greeting: '421 4.3.2 busy' }, dead: true, early: true,
    end: `dsn=4.3.2, status=deferred (host ${HOST} refused to talk to me: 421 4.3.2 busy)` },
  { name: 'greeting of several lines', replies: { greeting: '450-first\r\n450 4.7.1 second' }, dead: true, early: true,
    end: `dsn=4.7.1, status=deferred (host ${HOST} refused to talk to me: 450-first 450 4.7.1 second)` },
  { name: 'EHLO 421', replies: { ehlo: '421 4.3.2 no' }, dead: true, early: true,
    end: `dsn=4.3.2, status=deferred (host ${HOST} refused to talk to me: 421 4.3.2 no)` },
  { name: 'HELO refused too', replies: { ehlo: '500 5.5.1 what', helo: '550 5.7.1 not you' }, dead: false, early: true,
    end: `dsn=5.7.1, status=bounced (host ${HOST} refused to talk to me: 550 5.7.1 not you)` },
  { name: 'MAIL 450', replies: { mail: '450 4.1.8 later' }, dead: false,
    end: `dsn=4.1.8, status=deferred (host ${HOST} said: 450 4.1.8 later (in reply to MAIL FROM command))` },
  { name: 'MAIL 550', replies: { mail: '550 no' }, dead: false,
    end: `dsn=5.0.0, status=bounced (host ${HOST} said: 550 no (in reply to MAIL FROM command))` },
  { name: 'MAIL 354', replies: { mail: '354 odd' }, dead: false,
    end: `dsn=5.5.0, status=bounced (host ${HOST} said: 354 odd (in reply to MAIL FROM command))` },
  { name: 'RCPT 550', replies: { rcpt: '550 5.1.1 <r@mx.example>: unknown' }, dead: false,
    end: `dsn=5.1.1, status=bounced (host ${HOST} said: 550 5.1.1 <r@mx.example>: unknown (in reply to RCPT TO command))` },
  { name: 'RCPT 452 with a status of another class', replies: { rcpt: '452 5.1.1 full' }, dead: false,
    end: `dsn=4.0.0, status=deferred (host ${HOST} said: 452 5.1.1 full (in reply to RCPT TO command))` },
  { name: 'DATA 451', replies: { data: '451 4.3.0 disk' }, dead: false,
    end: `dsn=4.3.0, status=deferred (host ${HOST} said: 451 4.3.0 disk (in reply to DATA command))` },
  { name: 'DATA 250', replies: { data: '250 2.0.0 what' }, dead: false,
    end: `dsn=5.5.0, status=bounced (Protocol error: host ${HOST} said: 250 2.0.0 what (in reply to DATA command))` },
  { name: 'final dot 554', replies: { dot: '554 5.6.0 spam' }, dead: false,
    end: `dsn=5.6.0, status=bounced (host ${HOST} said: 554 5.6.0 spam (in reply to end of DATA command))` },
  { name: 'final dot 451 over two lines', replies: { dot: '451-4.7.1 one\r\n451 4.7.1 two' }, dead: false,
    end: `dsn=4.7.1, status=deferred (host ${HOST} said: 451-4.7.1 one 451 4.7.1 two (in reply to end of DATA command))` },
  ...([
    ['greeting', 'receiving the initial server greeting'], ['ehlo', 'performing the EHLO handshake'], ['mail', 'sending MAIL FROM'],
    ['rcpt', 'sending RCPT TO'], ['data', 'sending DATA command'],
    ['dot', 'sending end of data -- message may be sent more than once'],
  ] as const).map(([dropAt, stage]): FailureCase => ({
    name: `closed at ${dropAt}`, early: dropAt === 'greeting' || dropAt === 'ehlo',
    replies: { dropAt }, dead: true, end: `dsn=4.4.2, status=deferred (lost connection with ${HOST} while ${stage})`,
  })),
  ...([
    ['greeting', 'receiving the initial server greeting'], ['ehlo', 'performing the EHLO handshake'], ['mail', 'sending MAIL FROM'],
    ['rcpt', 'sending RCPT TO'], ['data', 'sending DATA command'],
    ['dot', 'sending end of data -- message may be sent more than once'],
  ] as const).map(([silentAt, stage]): FailureCase => ({
    name: `silent at ${silentAt}`, early: silentAt === 'greeting' || silentAt === 'ehlo',
    replies: { silentAt }, dead: true, end: `dsn=4.4.2, status=deferred (conversation with ${HOST} timed out while ${stage})`,
  })),
]
