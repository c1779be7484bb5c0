/** A log that keeps nothing, for runs with very many lines. */
import type { Logger } from '#system/log.ts'

const nothing = (): void => undefined

export const silentLog: Logger = {
  info: nothing, warning: nothing, error: nothing, fatal: nothing, panic: nothing, debug: nothing, flush: nothing,
  verbose: false,
  as: () => silentLog,
}
