/**
 * XCLIENT: a trusted proxy tells who the client is. The session starts anew.
 *
 * Source: XCLIENT_README.
 */
import { equalsIgnoreCase } from '#util/ascii.ts'
import { refuse, refuseFor, type Outcome, type Session } from '#receive/smtpd/session.ts'
import { neuter } from '#receive/smtpd/text.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { attributeAddress, isHostname, isPort, readAttribute, rfcAddressOf, type AttributeValue } from './attributes.ts'

const UNKNOWN = 'unknown'

/** Sets one attribute; `false`: the value cannot be. */
type Setter = (session: Session, value: AttributeValue) => boolean

const SETTERS: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ['NAME', setName],
  ['REVERSE_NAME', setReverseName],
  ['ADDR', setAddress],
  ['PORT', setPort],
  ['HELO', setHelo],
  ['PROTO', setProtocol],
  ['LOGIN', setLogin],
  ['DESTADDR', setServerAddress],
  ['DESTPORT', setServerPort],
])

/** XCLIENT attribute=value... */
export function xclient(session: Session, words: readonly CommandToken[]): Outcome {
  if (session.inTransaction) return refuse('503 5.5.1 Error: MAIL transaction in progress')
  if (words.length < 2) return refuse('501 5.5.4 Syntax: XCLIENT attribute=value...')
  if (!session.xclientAllowed) return refuseFor('policy', '550 5.7.0 Error: insufficient authorization')
  const { client, server, heloName, protocol, saslMethod, saslUsername } = session
  Object.assign(session, { client: { ...client }, server: { ...server }, heloName: undefined })
  Object.assign(session, { saslMethod: undefined, saslUsername: undefined })
  for (const word of words.slice(1)) {
    const refusal = setAttribute(session, word)
    if (refusal === undefined) continue
    Object.assign(session, { client, server, heloName, protocol, saslMethod, saslUsername })
    return refuse(refusal)
  }
  session.endTranscript(0)
  session.resetTransaction()
  // Counted like a failure, since the session it belonged to is over.
  return { ok: false, reply: '', next: 'restart' }
}

function setAttribute(session: Session, word: CommandToken): string | undefined {
  const attribute = readAttribute(word)
  if (typeof attribute === 'string') return attribute
  const setter = SETTERS.get(attribute.name)
  if (setter === undefined) return `501 5.5.4 Bad XCLIENT attribute name: ${attribute.name}`
  return setter(session, attribute.value) ? undefined : `501 5.5.4 Bad ${attribute.name} syntax: ${attribute.text}`
}

function setName({ client }: Session, value: AttributeValue): boolean {
  if (value.kind === 'text' && !isHostname(value.text)) return false
  const status = value.kind === 'text' ? 'ok' : value.kind === 'unavailable' ? 'permanent' : 'temporary'
  client.name = value.kind === 'text' ? value.text : UNKNOWN
  client.nameStatus = status
  client.reverseName = client.name
  client.reverseNameStatus = status
  return true
}

function setReverseName({ client }: Session, value: AttributeValue): boolean {
  if (value.kind === 'text' && !isHostname(value.text)) return false
  client.reverseName = value.kind === 'text' ? value.text : UNKNOWN
  client.reverseNameStatus = value.kind === 'text' ? 'ok' : value.kind === 'unavailable' ? 'permanent' : 'temporary'
  return true
}

function setAddress({ client }: Session, value: AttributeValue): boolean {
  const address = value.kind === 'text' ? attributeAddress(value.text) : UNKNOWN
  if (address === undefined) return false
  client.address = address
  client.rfcAddress = rfcAddressOf(address)
  client.addressType = address === UNKNOWN ? 0 : address.includes(':') ? 10 : 2
  return true
}

function setPort({ client }: Session, value: AttributeValue): boolean {
  if (value.kind === 'text' && !isPort(value.text)) return false
  client.port = value.kind === 'text' ? value.text : UNKNOWN
  return true
}

function setHelo(session: Session, value: AttributeValue): boolean {
  session.heloName = value.kind === 'text' ? neuter(value.text) : undefined
  return true
}

function setProtocol(session: Session, value: AttributeValue): boolean {
  if (value.kind !== 'text') return false
  for (const name of ['SMTP', 'ESMTP'] as const) {
    if (!equalsIgnoreCase(value.text, name)) continue
    session.protocol = name
    return true
  }
  return false
}

function setLogin(session: Session, value: AttributeValue): boolean {
  session.saslMethod = value.kind === 'text' ? 'XCLIENT' : undefined
  session.saslUsername = value.kind === 'text' ? value.text : undefined
  return true
}

function setServerAddress({ server }: Session, value: AttributeValue): boolean {
  const address = value.kind === 'text' ? attributeAddress(value.text) : UNKNOWN
  if (address === undefined) return false
  server.address = address
  return true
}

function setServerPort({ server }: Session, value: AttributeValue): boolean {
  if (value.kind === 'text' && !isPort(value.text)) return false
  server.port = value.kind === 'text' ? value.text : UNKNOWN
  return true
}
