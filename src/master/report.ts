/**
 * What master says about workers, in Postfix's words.
 *
 * @module
 */
import { constants } from 'node:os'
import { log } from '#system/log.ts'
import type { WorkerEnd } from './process.ts'
import type { ServiceSpec } from './table.ts'

/** How often reaching the limit is worth a warning. */
const LIMIT_WARNING_MS = 1_000_000

/** The warning about a service that takes no more clients. */
export class LimitWarning {
  #warnedAt = -Infinity

  /** Warns, unless that was done a short while ago. */
  warn({ entry, listener }: ServiceSpec, now: number): void {
    if (now - this.#warnedAt < LIMIT_WARNING_MS) return
    this.#warnedAt = now
    log.warning(
      `service "${entry.name}" (${listener}) has reached its process limit "${entry.processLimit}": `
        + 'new clients may experience noticeable delays',
    )
    log.warning('to avoid this condition, increase the process count in master.cf or reduce the service time per client')
    log.warning('see https://www.postfix.org/STRESS_README.html for examples of stress-adapting configuration settings')
  }
}

/** How a process ended. */
export function endText(path: string, pid: number, { status, signal }: WorkerEnd): string {
  const how = signal === null ? `exit status ${status}` : `killed by signal ${constants.signals[signal]}`
  return `process ${path} pid ${pid} ${how}`
}
