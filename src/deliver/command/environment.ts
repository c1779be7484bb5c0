/** The environment of commands: a fixed search path, and what export_environment names. */
import type { Config } from '#config/config.ts'

const PATH = '/bin:/usr/bin:/usr/ucb'

/** `TZ MAIL_CONFIG LANG` by default; `name=value` sets a value of its own. */
export function exportedEnvironment(config: Config): Record<string, string> {
  const environment: Record<string, string> = { PATH }
  for (const word of config.list('export_environment')) {
    const text = word.startsWith('{') ? word.slice(1, -1).trim() : word
    const at = text.indexOf('=')
    if (at > 0) environment[text.slice(0, at).trim()] = text.slice(at + 1).trim()
    else if (process.env[text] !== undefined) environment[text] = process.env[text]
  }
  return environment
}
