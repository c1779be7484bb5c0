/**
 * XFORWARD: a content filter passes on what the mail system before it knew of the client, for the log.
 *
 * Source: XFORWARD_README.
 */
import { UNKNOWN_NAME } from '#network/dns/client-name.ts'
import { accept, refuse, refuseFor, type Forwarded, type Outcome, type Session } from '#receive/smtpd/session.ts'
import { neuter } from '#receive/smtpd/text.ts'
import type { CommandToken } from '#receive/smtpd/tokens.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { attributeAddress, isHostname, isPort, readAttribute, rfcAddressOf } from './attributes.ts'

const PROTOCOL_CHARACTERS_MAX = 64

/** Sets one attribute; `text` is undefined when the upstream does not know it. `false`: the value cannot be. */
type Setter = (forwarded: Forwarded, text: string | undefined) => boolean

const SETTERS: ReadonlyMap<string, Setter> = new Map<string, Setter>([
  ['NAME', (forwarded, text) => isAbsentOr(text, isHostname) && put(forwarded, 'name', text ?? UNKNOWN_NAME)],
  ['ADDR', setAddress],
  ['PORT', (forwarded, text) => isAbsentOr(text, isPort) && put(forwarded, 'port', text ?? UNKNOWN_NAME)],
  ['HELO', (forwarded, text) => put(forwarded, 'helo', text ?? '')],
  ['PROTO', (forwarded, text) => isAbsentOr(text, isShort) && put(forwarded, 'protocol', text ?? UNKNOWN_NAME)],
  ['IDENT', (forwarded, text) => put(forwarded, 'ident', text ?? '')],
  ['SOURCE', setSource],
])

/** XFORWARD attribute=value... */
export function xforward(session: Session, words: readonly CommandToken[]): Outcome {
  if (session.inTransaction) return refuse('503 5.5.1 Error: MAIL transaction in progress')
  if (words.length < 2) return refuse('501 5.5.4 Syntax: XFORWARD attribute=value...')
  if (!session.xforwardAllowed) return refuseFor('policy', '550 5.7.0 Error: insufficient authorization')
  const forwarded: Forwarded = { ...session.forwarded }
  for (const word of words.slice(1)) {
    const attribute = readAttribute(word)
    if (typeof attribute === 'string') return refuse(attribute)
    const setter = SETTERS.get(attribute.name)
    if (setter === undefined) return refuse(`501 5.5.4 Bad XFORWARD attribute name: ${attribute.name}`)
    const { value } = attribute
    if (!setter(forwarded, value.kind === 'text' ? value.text : undefined)) {
      return refuse(`501 5.5.4 Bad ${attribute.name} syntax: ${attribute.text}`)
    }
  }
  session.forwarded = forwarded
  return accept('250 2.0.0 Ok')
}

function isAbsentOr(text: string | undefined, test: (text: string) => boolean): boolean {
  return text === undefined || test(text)
}

function isShort(text: string): boolean {
  return text.length <= PROTOCOL_CHARACTERS_MAX
}

function put(forwarded: Forwarded, field: 'name' | 'port' | 'helo' | 'protocol' | 'ident', text: string): boolean {
  forwarded[field] = neuter(text)
  return true
}

function setAddress(forwarded: Forwarded, text: string | undefined): boolean {
  const address = text === undefined ? UNKNOWN_NAME : attributeAddress(text)
  if (address === undefined) return false
  forwarded.address = address
  forwarded.rfcAddress = rfcAddressOf(address)
  return true
}

function setSource(forwarded: Forwarded, text: string | undefined): boolean {
  if (text === undefined) return true
  if (equalsIgnoreCase(text, 'LOCAL')) forwarded.domain = 'local'
  else if (equalsIgnoreCase(text, 'REMOTE')) forwarded.domain = 'remote'
  else return false
  return true
}
