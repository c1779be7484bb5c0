/**
 * The policy services that a configuration names, each with its own limits.
 *
 * Source: SMTPD_POLICY_README, "Advanced policy client configuration".
 */
import { ConfigError } from '#config/error.ts'
import type { Config } from '#config/config.ts'
import { parseTime } from '#config/value.ts'
import { splitOutsideBraces, stripBraces } from '#util/split.ts'
import { parsePolicyEndpoint, PolicyClient } from './policy.ts'

/** A service: how to ask it, what to do when it does not answer, and what it is told about its use. */
export type PolicyService = {
  readonly client: PolicyClient
  readonly defaultAction: string
  readonly policyContext: string
}

/** Settings of a service by their names without `smtpd_policy_service_`. */
type Settings = {
  timeout: number
  max_idle: number
  max_ttl: number
  retry_delay: number
  request_limit: number
  try_limit: number
  default_action: string
  policy_context: string
}

const TIMES = ['timeout', 'max_idle', 'max_ttl', 'retry_delay'] as const
const COUNTS = ['request_limit', 'try_limit'] as const
const TEXTS = ['default_action', 'policy_context'] as const

function globalSettings(config: Config): Settings {
  return {
    timeout: config.time('smtpd_policy_service_timeout'),
    max_idle: config.time('smtpd_policy_service_max_idle'),
    max_ttl: config.time('smtpd_policy_service_max_ttl'),
    retry_delay: config.time('smtpd_policy_service_retry_delay'),
    request_limit: config.int('smtpd_policy_service_request_limit'),
    try_limit: config.int('smtpd_policy_service_try_limit'),
    default_action: config.str('smtpd_policy_service_default_action'),
    policy_context: config.str('smtpd_policy_service_policy_context'),
  }
}

/**
 * Opens a service by the argument of check_policy_service: `inet:host:port`, or `{ inet:host:port, timeout=10s, ... }`.
 *
 * @throws {ConfigError} When the argument is malformed.
 */
export function openPolicyService(
  config: Config, argument: string, sleep: (ms: number) => Promise<void>,
): PolicyService {
  const settings = globalSettings(config)
  const name = argument.startsWith('{') ? readOverrides(argument, settings) : argument
  const client = new PolicyClient(parsePolicyEndpoint(name), {
    timeoutSeconds: settings.timeout,
    maxIdleSeconds: settings.max_idle,
    maxTtlSeconds: settings.max_ttl,
    requestLimit: settings.request_limit,
    tryLimit: settings.try_limit,
    retryDelaySeconds: settings.retry_delay,
  }, sleep)
  return { client, defaultAction: settings.default_action, policyContext: settings.policy_context }
}

/** Applies `name=value` settings, and gives the name of the server. */
function readOverrides(argument: string, settings: Settings): string {
  const content = stripBraces(argument)
  if (content.kind === 'error') throw new ConfigError(`policy service syntax error: ${content.reason}`)
  const [name, ...overrides] = splitOutsideBraces(content.text)
  if (name === undefined) throw new ConfigError(`empty policy service: "${argument}"`)
  for (const item of overrides) {
    const text = item.startsWith('{') ? stripBraces(item) : ({ kind: 'ok', text: item } as const)
    const match = text.kind === 'ok' ? /^([^=]+?)\s*=\s*(.*)$/s.exec(text.text) : null
    if (match === null) throw new ConfigError(`missing '=' after attribute name: "${item}"`)
    override(settings, match[1] ?? '', match[2] ?? '')
  }
  return name
}

function override(settings: Settings, name: string, value: string): void {
  const time = TIMES.find((known) => known === name)
  const count = COUNTS.find((known) => known === name)
  const text = TEXTS.find((known) => known === name)
  if (time !== undefined) settings[time] = parseTime(name, value, 's', { min: 1, max: 0 })
  else if (count !== undefined) settings[count] = readCount(name, value)
  else if (text !== undefined) settings[text] = value
  else throw new ConfigError(`unknown attribute name: "${name}"`)
}

function readCount(name: string, value: string): number {
  if (!/^\d+$/.test(value)) throw new ConfigError(`invalid numeric attribute: ${name} = "${value}"`)
  return Number(value)
}
