/**
 * A time limit on whole requests, for times of stress: a client may not keep a
 * session busy with single bytes.
 *
 * Source: postconf(5) smtpd_per_request_deadline, smtpd_min_data_rate.
 */

/** What it takes from the parameters. */
export type DeadlineSettings = {
  readonly perRequestDeadline: boolean
  readonly timeoutSeconds: number
  /** Bytes per second; 0: content does not extend the limit. */
  readonly minDataRate: number
}

/** The limit of one connection. Does nothing unless it is switched on. */
export class Deadline {
  readonly #settings: DeadlineSettings
  readonly #onExpired: () => void
  #timer: NodeJS.Timeout | undefined
  #expiresAt = 0

  constructor(settings: DeadlineSettings, onExpired: () => void) {
    this.#settings = settings
    this.#onExpired = onExpired
  }

  /** A request begins: the client was told something. */
  start(): void {
    if (!this.#settings.perRequestDeadline) return
    this.#expiresAt = performance.now() + this.#settings.timeoutSeconds * 1000
    this.#timer ??= setTimeout(() => this.#check(), this.#settings.timeoutSeconds * 1000)
  }

  /** Content that arrives fast enough extends the limit, up to the full time. */
  received(bytes: number, content: boolean): void {
    const { minDataRate, timeoutSeconds } = this.#settings
    if (this.#timer === undefined || !content || minDataRate <= 0) return
    const latest = performance.now() + timeoutSeconds * 1000
    this.#expiresAt = Math.min(latest, this.#expiresAt + (bytes * 1000) / minDataRate)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #check(): void {
    this.#timer = undefined
    const left = this.#expiresAt - performance.now()
    if (left <= 0) this.#onExpired()
    this.#timer = setTimeout(() => this.#check(), left > 0 ? left : this.#settings.timeoutSeconds * 1000)
  }
}
