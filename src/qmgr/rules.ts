/**
 * What main.cf says of each transport: `<transport>_destination_concurrency_limit` and its kin, with the
 * `default_` parameter where a transport has none of its own.
 *
 * How many deliveries its agent carries out at once is the process limit of its line in master.cf.
 *
 * Source: postconf(5); qmgr(8) CONCURRENCY LIMITS; master(5).
 *
 * @module
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '#config/config.ts'
import { readConfigFile } from '#config/file.ts'
import { MASTER_DEFAULTS, parseMasterCf } from '#config/master-cf.ts'
import type { IntName, ParameterName, TimeName } from '#config/parameters/table.ts'
import { log } from '#system/log.ts'
import type { TransportRules } from './destinations.ts'
import { parseFeedback, type Feedback } from './feedback.ts'

/**
 * Reads the rules of transports as they are first used, and remembers them until reload. Call it before the process
 * gives up its rights.
 */
export function transportRules(config: Config): (transport: string) => TransportRules {
  const limits = processLimits(config)
  const known = new Map<string, TransportRules>()
  return (transport) => {
    let rules = known.get(transport)
    if (!rules) known.set(transport, (rules = readRules(config, transport, limits.get(transport) ?? 0)))
    return rules
  }
}

/** By service; of several lines for one, the last counts. What is not there has no limit, and no agent either. */
function processLimits(config: Config): ReadonlyMap<string, number> {
  const file = join(config.directory, 'master.cf')
  if (!existsSync(file)) return new Map()
  const defaults = { ...MASTER_DEFAULTS, processLimit: config.int('default_process_limit') }
  const entries = parseMasterCf(readConfigFile(file), file, defaults).filter(({ type }) => type === 'unix')
  return new Map(entries.map(({ name, processLimit }) => [name, processLimit]))
}

function readRules(config: Config, transport: string, processLimit: number): TransportRules {
  const int = (suffix: string, fallback: IntName): number => config.dynamicInt(`${transport}_${suffix}`, fallback)
  const time = (suffix: string, fallback: TimeName): number => config.dynamicTime(`${transport}_${suffix}`, fallback)
  const feedback = (suffix: string, fallback: ParameterName): Feedback => {
    const name = `${transport}_${suffix}`
    return parseFeedback(config.isSet(name) ? name : fallback, config.dynamic(name, fallback), (text) => log.warning(text))
  }
  return {
    initial: int('initial_destination_concurrency', 'initial_destination_concurrency'),
    limit: int('destination_concurrency_limit', 'default_destination_concurrency_limit'),
    recipientLimit: int('destination_recipient_limit', 'default_destination_recipient_limit'),
    failedCohortLimit: int(
      'destination_concurrency_failed_cohort_limit', 'default_destination_concurrency_failed_cohort_limit'),
    positive: feedback(
      'destination_concurrency_positive_feedback', 'default_destination_concurrency_positive_feedback'),
    negative: feedback(
      'destination_concurrency_negative_feedback', 'default_destination_concurrency_negative_feedback'),
    rateDelayMs: time('destination_rate_delay', 'default_destination_rate_delay') * 1000,
    transportRateDelayMs: time('transport_rate_delay', 'default_transport_rate_delay') * 1000,
    deadMs: config.time('minimal_backoff_time') * 1000,
    transportRetryMs: config.time('transport_retry_time') * 1000,
    processLimit,
  }
}
