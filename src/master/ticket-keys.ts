/**
 * The keys that session tickets of this site are made with: random, the same for all workers, replaced in time.
 *
 * A ticket holds the secrets of a session under these keys, so whoever has them can read sessions that were recorded.
 * They are therefore nowhere but in the memory of master and of the workers that asked: no file, whose blocks or
 * backups would outlive them, and no environment. They survive a reload, and not a restart.
 *
 * There is one set at a time, for as long as a session may be resumed: a ticket from just before a change costs its
 * client one full handshake, and none can be read after smtpd_tls_session_cache_timeout.
 *
 * Source: RFC 5077 §5.5; RFC 8446 §4.6.1; tlsmgr(8).
 *
 * @module
 */
import { randomBytes } from 'node:crypto'
import { TICKET_KEY_BYTES, type MasterMessage } from '#service/control.ts'

/** RFC 8446 §4.6.1: no ticket is good for longer. */
const LIFE_MS_MAX = 7 * 24 * 3600 * 1000
/** Where main.cf allows no session to be resumed, but the service that asks has a time of its own. */
const LIFE_MS_DEFAULT = 3600 * 1000

/** The present keys. */
export class TicketKeys {
  #keys = ''
  #made = -Infinity

  /**
   * What a worker is told. New keys are made when the present ones have had their time.
   *
   * @param timeoutSeconds smtpd_tls_session_cache_timeout.
   * @param now Milliseconds of a clock that does not jump.
   */
  message(timeoutSeconds: number, now: number): MasterMessage {
    const life = timeoutSeconds > 0 ? Math.min(timeoutSeconds * 1000, LIFE_MS_MAX) : LIFE_MS_DEFAULT
    if (now - this.#made >= life) {
      this.#keys = randomBytes(TICKET_KEY_BYTES).toString('base64')
      this.#made = now
    }
    return { kind: 'ticket-keys', keys: this.#keys, lifeMs: Math.ceil(this.#made + life - now) }
  }
}
