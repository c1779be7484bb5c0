/**
 * Message headers: which lines are headers, and what is known of each name.
 *
 * Source: RFC 5322 §2.2, §3.6; RFC 2045 §3 (MIME headers).
 */
import { asciiLower } from '#util/ascii.ts'

/** Whose addresses a header holds: which address rewriting applies to it. */
export type HeaderKind = 'sender' | 'recipient' | 'other'

/** What is known of a header name. */
export type HeaderInfo = {
  /** The name as it is written when the header is formatted anew. */
  readonly name: string
  /** The lower-case name: the key to switch on. */
  readonly key: string
  readonly kind: HeaderKind
  /** `Content-*` and `MIME-Version`: checked by mime_header_checks. */
  readonly mime: boolean
  /** `Resent-*`: the message has been resent, missing headers are resent headers. */
  readonly resent: boolean
  /** `sendmail -t` takes recipients from it. */
  readonly extract: boolean
}

type Traits = Partial<Omit<HeaderInfo, 'name' | 'key'>>

const SENDER: Traits = { kind: 'sender' }
const RECIPIENT: Traits = { kind: 'recipient', extract: true }
const MIME: Traits = { mime: true }

const KNOWN_HEADERS: readonly (readonly [string, Traits])[] = [
  ['Apparently-To', { kind: 'recipient' }],
  ['Bcc', RECIPIENT],
  ['Cc', RECIPIENT],
  ['Content-Description', MIME],
  ['Content-Disposition', MIME],
  ['Content-ID', MIME],
  ['Content-Length', {}],
  ['Content-Transfer-Encoding', MIME],
  ['Content-Type', MIME],
  ['Delivered-To', {}],
  ['Disposition-Notification-To', SENDER],
  ['Date', {}],
  ['Errors-To', SENDER],
  ['From', SENDER],
  ['Mail-Followup-To', SENDER],
  ['Message-Id', {}],
  ['MIME-Version', MIME],
  ['Received', {}],
  ['Reply-To', SENDER],
  ['Resent-Bcc', { ...RECIPIENT, resent: true }],
  ['Resent-Cc', { ...RECIPIENT, resent: true }],
  ['Resent-Date', { resent: true }],
  ['Resent-From', { ...SENDER, resent: true }],
  ['Resent-Message-Id', { resent: true }],
  ['Resent-Reply-To', { kind: 'recipient', resent: true }],
  ['Resent-Sender', { ...SENDER, resent: true }],
  ['Resent-To', { ...RECIPIENT, resent: true }],
  ['Return-Path', SENDER],
  ['Return-Receipt-To', SENDER],
  ['Sender', SENDER],
  ['To', RECIPIENT],
]

const TABLE: ReadonlyMap<string, HeaderInfo> = new Map(
  KNOWN_HEADERS.map(([name, traits]) => {
    const key = asciiLower(name)
    return [key, { name, key, kind: 'other', mime: false, resent: false, extract: false, ...traits }]
  }),
)

/**
 * Length of the header name at the start of a line, without the blanks before
 * the colon; 0 when the line is not the start of a header.
 *
 * RFC 5322 §2.2: a name is printable ASCII but for the colon. Old mail has
 * blanks between name and colon (RFC 5322 §4.5), and so they are taken.
 */
export function headerNameLength(line: string): number {
  let end = 0
  while (end < line.length && isNameChar(line.charCodeAt(end))) end++
  let colon = end
  while (line.charAt(colon) === ' ' || line.charAt(colon) === '\t') colon++
  return line.charAt(colon) === ':' ? end : 0
}

function isNameChar(code: number): boolean {
  return code > 32 && code < 127 && code !== 58
}

/** Whether `line` is the first line of a header. */
export function isHeaderLine(line: string): boolean {
  return headerNameLength(line) > 0
}

/** The name of the header that `line` starts, as written; `undefined` when it starts none. */
export function parseHeaderName(line: string): string | undefined {
  const length = headerNameLength(line)
  return length === 0 ? undefined : line.slice(0, length)
}

/** `name:value` with the blanks before the colon taken away; `undefined` when `line` starts no header. */
export function normalizeHeaderLine(line: string): string | undefined {
  const length = headerNameLength(line)
  if (length === 0) return undefined
  if (line.charAt(length) === ':') return line
  return line.slice(0, length) + line.slice(line.indexOf(':', length))
}

/** What is known of a header name (any case), or of the header that starts with it. */
export function headerInfo(nameOrHeader: string): HeaderInfo | undefined {
  const colon = nameOrHeader.indexOf(':')
  const name = colon < 0 ? nameOrHeader : nameOrHeader.slice(0, colon).trimEnd()
  return TABLE.get(asciiLower(name))
}

/** The value of a header: what follows the colon, blanks and line ends included. */
export function headerValue(header: string): string {
  return header.slice(header.indexOf(':') + 1)
}
