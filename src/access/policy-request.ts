/**
 * Requests to policy servers and their replies, as text.
 *
 * Source: SMTPD_POLICY_README, "Policy client/server configuration", "Protocol description".
 */
import { encodeXtext } from '#mail/xtext.ts'
import { printable } from '#util/printable.ts'
import type { AccessSettings } from './settings.ts'
import type { SessionFacts } from './types.ts'

/** Longest reply, in characters, with its end: an action is one line. */
export const POLICY_REPLY_LENGTH_MAX = 16_384

/** A request as `name=value` lines with the empty line at its end. */
export function formatPolicyRequest(facts: SessionFacts, settings: AccessSettings, policyContext: string): string {
  const lines = attributesOf(facts, settings, policyContext).map(([name, value]) => `${name}=${printable(value)}\n`)
  return `${lines.join('')}\n`
}

type Attribute = readonly [name: string, value: string]

function attributesOf(facts: SessionFacts, settings: AccessSettings, policyContext: string): Attribute[] {
  return [
    ['request', 'smtpd_access_policy'],
    ['protocol_state', facts.where === 'BDAT' ? 'DATA' : facts.where],
    ['protocol_name', facts.protocol],
    ...clientAttributes(facts),
    ['helo_name', facts.helo ?? ''],
    ['sender', facts.sender ?? ''],
    ['recipient', facts.recipient ?? ''],
    ['recipient_count', String(hasCount(facts) ? facts.recipientCount : 0)],
    ['queue_id', facts.queueId ?? ''],
    ['instance', facts.instance],
    ['size', String(facts.actualSizeBytes > 0 ? facts.actualSizeBytes : facts.declaredSizeBytes)],
    ['etrn_domain', facts.etrnDomain ?? ''],
    ['stress', settings.stress],
    ['sasl_method', facts.sasl.method ?? ''],
    ['sasl_username', facts.sasl.username ?? ''],
    ['sasl_sender', facts.sasl.sender ?? ''],
    ...tlsAttributes(facts),
    ['policy_context', policyContext],
    ['compatibility_level', settings.compatibilityLevel],
    ['mail_version', settings.mailVersion],
  ]
}

function hasCount({ where }: SessionFacts): boolean {
  return where === 'DATA' || where === 'BDAT' || where === 'END-OF-MESSAGE'
}

function clientAttributes({ client, server }: SessionFacts): Attribute[] {
  return [
    ['client_address', client.address],
    ['client_name', client.name],
    ['client_port', client.port],
    ['reverse_client_name', client.reverseName],
    ['server_address', server.address],
    ['server_port', server.port],
  ]
}

/** Names of a certificate only when it can be trusted, and in xtext, since anything may stand in them. */
function tlsAttributes({ tls }: SessionFacts): Attribute[] {
  const certificate = tls?.certificate
  const trusted = certificate?.trusted === true ? certificate : undefined
  return [
    ['ccert_subject', encodeXtext(trusted?.subject ?? '')],
    ['ccert_issuer', encodeXtext(trusted?.issuer ?? '')],
    ['ccert_fingerprint', certificate?.fingerprint ?? ''],
    ['ccert_pubkey_fingerprint', certificate?.publicKeyFingerprint ?? ''],
    ['encryption_protocol', tls?.protocol ?? ''],
    ['encryption_cipher', tls?.cipher ?? ''],
    ['encryption_keysize', String(tls?.keySizeBits ?? 0)],
  ]
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
  try {
    return { kind: 'ok', action: new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(latin1, 'latin1')) }
  } catch {
    return { kind: 'error', reason: `malformed UTF-8 in policy server response: "${printable(latin1)}"` }
  }
}
