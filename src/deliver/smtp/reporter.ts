/**
 * Tells postmaster of servers with which we do not understand each other (notify_classes = protocol).
 *
 * Source: postconf(5) notify_classes; smtp(8).
 *
 * @module
 */
import type { Cleanup } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { Transcript } from '#mail/transcript.ts'
import { ErrorNotices, FAULT } from '#service/error-notice.ts'
import type { SmtpEngine } from './engine.ts'
import type { Session } from './session.ts'

/** Sends notices about sessions. */
export class Reporter {
  readonly #notices: ErrorNotices
  readonly #protocol: 'SMTP' | 'LMTP'
  readonly #doubleBounceAddress: string
  readonly #utf8: boolean

  constructor(config: Config, cleanup: Cleanup, lmtp: boolean) {
    this.#notices = new ErrorNotices(config, cleanup)
    this.#protocol = lmtp ? 'LMTP' : 'SMTP'
    this.#doubleBounceAddress = `${config.str('double_bounce_sender')}@${config.str('myhostname')}`
    this.#utf8 = config.bool('smtputf8_enable')
  }

  /**
   * From now on the connection is for a message from `sender`. What goes wrong with a notice must not cause another
   * one: nothing is kept then.
   */
  sessionStarts(engine: SmtpEngine, sender: string): void {
    engine.transcript = sender === '' || sender === this.#doubleBounceAddress ? undefined : new Transcript()
  }

  /** The session is over, or waits for another message. */
  sessionEnded(session: Session): void {
    const { engine: { transcript, spokeNonsense }, faulty, relay } = session
    session.faulty = false
    session.engine.spokeNonsense = false
    session.engine.transcript = undefined
    if (transcript !== undefined && (faulty || spokeNonsense)) {
      this.#notices.send({
        subject: `${this.#protocol} client: errors from ${relay}`,
        faults: FAULT.protocol,
        body: [
          `Unexpected response from ${relay}.`, '', 'Transcript of session follows.', '',
          ...transcript.show(this.#utf8), '', 'For other details, see the local mail logfile',
        ],
      })
    }
  }

  /** Settles when all notices are in the queue. */
  idle(): Promise<void> {
    return this.#notices.idle()
  }
}
