/**
 * Options of the MAIL command.
 *
 * Source: RFC 1870 §6 (SIZE), RFC 6152 (BODY), RFC 3461 §4.3, §4.4 (RET, ENVID), RFC 4954 §5 (AUTH), RFC 6531 §3.4
 * (SMTPUTF8), RFC 8689 §2 (REQUIRETLS), VERP_README (XVERP).
 */
import { parseRet } from '#mail/dsn-parameters.ts'
import { decodeXtext } from '#mail/xtext.ts'
import { asciiUpper, isDigits } from '#util/ascii.ts'
import { printable } from '#util/printable.ts'
import type { Session } from './session.ts'

/** What the options say. */
export type MailOptions = {
  readonly smtputf8: boolean
  encoding?: '7bit' | '8bit'
  /** Bytes. */
  size?: number
  requireTls?: boolean
  envelopeId?: string
  returnFlags?: number
  /** Two characters. */
  verp?: string
  /** xtext */
  authSender?: string
}

/** Largest SIZE that a file can have: 63 bits. */
const FILE_BYTES_MAX = 2n ** 63n - 1n

/**
 * One option: reads `value` (undefined without `=`) into `read`, or says what to reply; `UNKNOWN` for no such option.
 */
type Reader = (session: Session, read: MailOptions, value: string | undefined) => string | undefined

const UNKNOWN = 'unknown'

const READERS: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['BODY', body],
  ['SIZE', size],
  ['SMTPUTF8', (_session, read, value) => (value === undefined && read.smtputf8 ? undefined : UNKNOWN)],
  ['REQUIRETLS', requireTls],
  ['AUTH', auth],
  ['XVERP', verp],
  ['RET', ret],
  ['ENVID', envelopeId],
])

/** Reads one option into `read`; returns the reply when it cannot be taken. */
export function mailOption(session: Session, read: MailOptions, text: string): string | undefined {
  const equals = text.indexOf('=')
  const keyword = asciiUpper(equals < 0 ? text : text.slice(0, equals))
  const reply = (READERS.get(keyword) ?? unknown)(session, read, equals < 0 ? undefined : text.slice(equals + 1))
  return reply === UNKNOWN ? `555 5.5.4 Unsupported option: ${text}` : reply
}

function unknown(): string {
  return UNKNOWN
}

function body(_session: Session, read: MailOptions, value = ''): string | undefined {
  const type = asciiUpper(value)
  if (type !== '7BIT' && type !== '8BITMIME') return UNKNOWN
  read.encoding = type === '7BIT' ? '7bit' : '8bit'
  return undefined
}

function size(_session: Session, read: MailOptions, value: string | undefined): string | undefined {
  if (value === undefined) return UNKNOWN
  if (!isDigits(value)) return '501 5.5.4 Bad message size syntax'
  if (value.length > 19 || BigInt(value) > FILE_BYTES_MAX) {
    return '552 5.3.4 Message size exceeds file system imposed limit'
  }
  read.size = Number(value)
  return undefined
}

/** RFC 8689 §2: only where it was offered, under TLS. */
function requireTls(session: Session, read: MailOptions, value: string | undefined): string | undefined {
  const offered = session.settings.requireTls && session.tls !== undefined && !session.discarded.has('requiretls')
  if (value !== undefined || !offered) return UNKNOWN
  read.requireTls = true
  return undefined
}

/** RFC 4954 §5: who submitted the message first. It is only passed on, and so it stays in xtext. */
function auth(_session: Session, read: MailOptions, value: string | undefined): string | undefined {
  if (value === undefined) return UNKNOWN
  if (read.authSender !== undefined) return '503 5.5.4 Error: multiple AUTH= options'
  // RFC 4954 §5: `<>` says that nobody knows.
  read.authSender = value === '<>' ? '' : printable(value)
  return undefined
}

function verp(session: Session, read: MailOptions, value: string | undefined): string | undefined {
  const { settings } = session
  if (!session.verpAllowed) return UNKNOWN
  const delimiters = value ?? settings.verpDelimiters
  if (delimiters.length !== 2 || delimiters.split('').some((c) => !settings.verpFilter.includes(c))) {
    return `501 5.5.4 Error: XVERP needs two characters from ${settings.verpFilter}`
  }
  read.verp = delimiters
  return undefined
}

function ret(session: Session, read: MailOptions, value: string | undefined): string | undefined {
  if (value === undefined) return UNKNOWN
  if (session.discarded.has('dsn')) return '501 5.7.1 DSN support is disabled'
  const flags = parseRet(value)
  if (read.returnFlags !== undefined || flags === undefined) return '501 5.5.4 Bad RET parameter syntax'
  read.returnFlags = flags
  return undefined
}

function envelopeId(session: Session, read: MailOptions, value: string | undefined): string | undefined {
  if (value === undefined) return UNKNOWN
  if (session.discarded.has('dsn')) return '501 5.7.1 DSN support is disabled'
  const id = decodeXtext(value)
  // RFC 3461 §4.4: printable ASCII once decoded.
  if (read.envelopeId !== undefined || id === undefined || !/^[ -~]+$/.test(id)) {
    return '501 5.5.4 Bad ENVID parameter syntax'
  }
  read.envelopeId = id
  return undefined
}
