/**
 * Requests to policy servers and their replies, as text.
 *
 * Source: SMTPD_POLICY_README, "Policy client/server configuration", "Protocol description".
 */
import { encodeXtext } from '#mail/xtext.ts'
import { isAscii } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'
import type { AccessSettings } from './settings.ts'
import type { SessionFacts } from './types.ts'

/** Longest reply, in characters, with its end: an action is one line. */
export const POLICY_REPLY_LENGTH_MAX = 16_384

const UTF8 = new TextDecoder('utf-8', { fatal: true })

/** A request as `name=value` lines with the empty line at its end. */
export function formatPolicyRequest(facts: SessionFacts, settings: AccessSettings, policyContext: string): string {
  return `request=smtpd_access_policy\n${sessionLines(facts)}${transactionLines(facts)}`
    + attribute('stress', settings.stress) + saslLines(facts) + tlsLines(facts)
    + attribute('policy_context', policyContext) + attribute('compatibility_level', settings.compatibilityLevel)
    + `${attribute('mail_version', settings.mailVersion)}\n`
}

function attribute(name: string, value: string | undefined): string {
  return value === undefined ? `${name}=\n` : `${name}=${printable(value)}\n`
}

function sessionLines({ where, protocol, client, server, helo }: SessionFacts): string {
  return attribute('protocol_state', where === 'BDAT' ? 'DATA' : where) + attribute('protocol_name', protocol)
    + attribute('client_address', client.address) + attribute('client_name', client.name)
    + attribute('client_port', client.port) + attribute('reverse_client_name', client.reverseName)
    + attribute('server_address', server.address) + attribute('server_port', server.port) + attribute('helo_name', helo)
}

function transactionLines(facts: SessionFacts): string {
  const { where, sender, recipient, recipientCount, queueId, instance, etrnDomain } = facts
  const size = facts.actualSizeBytes > 0 ? facts.actualSizeBytes : facts.declaredSizeBytes
  const hasCount = where === 'DATA' || where === 'BDAT' || where === 'END-OF-MESSAGE'
  return attribute('sender', sender) + attribute('recipient', recipient)
    + `recipient_count=${hasCount ? recipientCount : 0}\n`
    + attribute('queue_id', queueId) + attribute('instance', instance) + `size=${size}\n`
    + attribute('etrn_domain', etrnDomain)
}

function saslLines({ sasl }: SessionFacts): string {
  return attribute('sasl_method', sasl.method) + attribute('sasl_username', sasl.username)
    + attribute('sasl_sender', sasl.sender)
}

/** Names of a certificate only when it can be trusted, and in xtext, since anything may stand in them. */
function tlsLines({ tls }: SessionFacts): string {
  const certificate = tls?.certificate
  const trusted = certificate?.trusted === true ? certificate : undefined
  return attribute('ccert_subject', encodeXtext(trusted?.subject ?? ''))
    + attribute('ccert_issuer', encodeXtext(trusted?.issuer ?? ''))
    + attribute('ccert_fingerprint', certificate?.fingerprint)
    + attribute('ccert_pubkey_fingerprint', certificate?.publicKeyFingerprint)
    + attribute('encryption_protocol', tls?.protocol) + attribute('encryption_cipher', tls?.cipher)
    + `encryption_keysize=${tls?.keySizeBits ?? 0}\n`
}

/** A reply so far: complete with an action, not complete, or nothing that can be understood. */
export type PolicyReply =
  | { readonly kind: 'ok'; readonly action: string }
  | { readonly kind: 'more' }
  | { readonly kind: 'error'; readonly reason: string }

/**
 * Reads what a server has sent so far: `action=TEXT` and an empty line. Other attributes do not matter.
 *
 * @param bytes Everything since the request was sent.
 */
export function parsePolicyReply(bytes: Uint8Array): PolicyReply {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const end = text.startsWith('\n') ? 0 : text.indexOf('\n\n')
  if (end < 0) {
    if (text.length <= POLICY_REPLY_LENGTH_MAX) return { kind: 'more' }
    return { kind: 'error', reason: `string length > ${POLICY_REPLY_LENGTH_MAX} characters` }
  }
  const lines = text.slice(0, end).split('\n').filter((line) => line !== '')
  const malformed = lines.find((line) => !line.includes('='))
  if (malformed !== undefined) {
    return { kind: 'error', reason: `missing value for attribute ${malformed.slice(0, 100)}` }
  }
  const action = lines.find((line) => line.startsWith('action='))
  if (action === undefined) return { kind: 'error', reason: 'missing attribute action' }
  return decode(action.slice('action='.length))
}

function decode(latin1: string): PolicyReply {
  if (isAscii(latin1)) return { kind: 'ok', action: latin1 }
  try {
    return { kind: 'ok', action: UTF8.decode(Buffer.from(latin1, 'latin1')) }
  } catch {
    return { kind: 'error', reason: `malformed UTF-8 in policy server response: "${printable(latin1)}"` }
  }
}
