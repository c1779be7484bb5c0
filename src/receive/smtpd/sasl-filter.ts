/**
 * smtpd_sasl_mechanism_filter: which of the mechanisms that could be offered are.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import type { SaslServer } from '#network/sasl/server.ts'
import { openMatchList } from '#tables/match-list.ts'
import { isPromise, whenReady } from '#util/maybe.ts'

/** The server with fewer mechanisms; also for a client that asks for one that was not offered. */
export function withMechanismFilter(config: Config, server: SaslServer | undefined): SaslServer | undefined {
  if (server === undefined) return undefined
  const list = openMatchList(
    'smtpd_sasl_mechanism_filter', config.str('smtpd_sasl_mechanism_filter'), 'string', { config },
  )
  if (list.empty) return server
  const listed = (name: string): boolean => {
    const result = list.match(name)
    // A table that has to wait cannot decide about a login.
    return !isPromise(result) && result === true
  }
  return {
    mechanisms: (options) => whenReady(server.mechanisms(options), (names) => names?.filter(listed)),
    exchange: (mechanism, peer, options) => {
      if (listed(mechanism)) return server.exchange(mechanism, peer, options)
      const step = { kind: 'failed', reason: `Invalid authentication mechanism: '${mechanism}'` } as const
      return { start: () => step, respond: () => step, cancel: () => undefined }
    },
    close: () => server.close(),
  }
}
