/** Parameters that local and virtual have in common. */
import type { Config } from '#config/config.ts'
import type { LockSettings } from './mbox.ts'

/** @param styles Value of mailbox_delivery_lock or virtual_mailbox_lock. */
export function lockSettings(config: Config, styles: readonly string[]): LockSettings {
  return {
    styles: new Set(styles),
    attempts: config.int('deliver_lock_attempts'),
    delayMs: config.time('deliver_lock_delay') * 1000,
    staleMs: config.time('stale_lock_time') * 1000,
  }
}
