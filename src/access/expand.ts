/**
 * `$name` in reply templates: facts of the session, and nothing of the configuration, which is nobody's business.
 *
 * Source: postconf(5), default_rbl_reply, smtpd_expansion_filter, smtpd_reject_footer.
 */
import { ExpressionError } from '#config/expression.ts'
import { expandText } from '#config/expand.ts'
import { splitAddress } from '#mail/address.ts'
import type { SessionFacts } from './types.ts'

/** The expanded text, or what is wrong with the template: an unknown name, or its syntax. */
export type Expansion =
  | { readonly kind: 'ok'; readonly text: string }
  | { readonly kind: 'error'; readonly warnings: readonly string[] }

/**
 * Expands a template.
 *
 * @param extra Names that only this template knows.
 * @param allowed smtpd_expansion_filter: other characters in values become `_`.
 */
export function expandTemplate(
  template: string,
  facts: SessionFacts,
  extra: Readonly<Record<string, string>>,
  allowed: string,
  now: Date = new Date(),
): Expansion {
  const warnings: string[] = []
  const lookup = (name: string): string | undefined => {
    const value = extra[name] ?? factOf(name, facts, extra['server_name'] ?? '', now)
    if (value === undefined) warnings.push(`unknown macro name "${name}" in expansion request`)
    return value
  }
  try {
    const text = expandText(template, lookup, { allowed })
    return warnings.length === 0 ? { kind: 'ok', text } : { kind: 'error', warnings }
  } catch (error) {
    if (error instanceof ExpressionError) return { kind: 'error', warnings: [...warnings, error.message] }
    throw error
  }
}

function factOf(name: string, facts: SessionFacts, serverName: string, now: Date): string | undefined {
  const { client } = facts
  switch (name) {
    case 'server_name': return serverName
    case 'client': return client.nameAndAddress
    case 'client_port': return client.port
    case 'client_address': return client.address
    case 'client_name': return client.name
    case 'reverse_client_name': return client.reverseName
    case 'helo_name': return facts.helo ?? ''
    case 'localtime': return localTime(now)
    default: return addressFact(name, 'sender', facts.sender) ?? addressFact(name, 'recipient', facts.recipient)
  }
}

/** `$sender`, `$sender_name`, `$sender_domain`, and the same of the recipient. */
function addressFact(name: string, prefix: 'sender' | 'recipient', address: string | undefined): string | undefined {
  if (!name.startsWith(prefix)) return undefined
  if (address === undefined) return ''
  const { local, domain } = splitAddress(address)
  switch (name.slice(prefix.length)) {
    case '': return address === '' ? '<>' : address
    case '_name': return address === '' ? '<>' : local
    case '_domain': return domain ?? ''
    default: return undefined
  }
}

/** `Nov 06 09:05:07` */
function localTime(now: Date): string {
  const [, month, day, , time] = now.toString().split(' ')
  return `${month} ${day} ${time}`
}
