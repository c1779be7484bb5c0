/**
 * What a server offers in its reply to EHLO or LHLO.
 *
 * Source: RFC 5321 §4.1.1.1; RFC 1870 (SIZE), RFC 2920 (PIPELINING), RFC 3207 (STARTTLS),
 * RFC 3461 (DSN), RFC 4954 (AUTH), RFC 6152 (8BITMIME), RFC 6531 (SMTPUTF8), RFC 8689 (REQUIRETLS).
 */
import { splitAtChars } from '#util/split.ts'

/** Keywords that a session can be told to overlook; also the order in which they are logged. */
const DISCARDABLE = [
  '8BITMIME', 'PIPELINING', 'SIZE', 'VRFY', 'ETRN', 'AUTH', 'VERP', 'STARTTLS', 'XCLIENT', 'XFORWARD',
  'ENHANCEDSTATUSCODES', 'DSN', 'SMTPUTF8', 'CHUNKING', 'REQUIRETLS',
] as const

/** What one session may use. */
export type Capabilities = {
  /** The name with which the server introduces itself. */
  readonly name: string
  readonly pipelining: boolean
  readonly eightBitMime: boolean
  readonly smtpUtf8: boolean
  readonly dsn: boolean
  readonly startTls: boolean
  readonly requireTls: boolean
  readonly size: boolean
  /** In bytes; 0: none given. */
  readonly sizeLimit: number
  /** Mechanisms, in the order of the server, upper case; empty without AUTH. */
  readonly auth: readonly string[]
  /** Whether AUTH was there at all. */
  readonly offersAuth: boolean
  /** Attributes that XFORWARD takes, upper case. */
  readonly xforward: ReadonlySet<string>
  /** A SIZE value that is no number. */
  readonly badSize?: string
}

/** A server that knows HELO only. */
export const NO_CAPABILITIES: Capabilities = {
  name: '', pipelining: false, eightBitMime: false, smtpUtf8: false, dsn: false, startTls: false, requireTls: false,
  size: false, sizeLimit: 0, auth: [], offersAuth: false, xforward: new Set(),
}

/** Keywords to overlook. */
export type Discard = { readonly keywords: ReadonlySet<string>; readonly silent: boolean }

/** Reads smtp_discard_ehlo_keywords or an entry of its address maps. */
export function parseDiscard(text: string): Discard {
  const words = new Set(splitAtChars(text).map((word) => word.toUpperCase()))
  const silent = words.delete('SILENT-DISCARD')
  return { keywords: words, silent }
}

/** The keywords that a log line names, in the order of Postfix. */
export function discardedWords({ keywords }: Discard): string {
  return DISCARDABLE.filter((word) => keywords.has(word)).join(' ')
}

/** Reads a reply to EHLO whose lines are joined by `\n`. */
export function parseCapabilities(raw: string, discard: Discard): Capabilities {
  const [first = '', ...lines] = raw.split('\n').map((line) => line.replace(/^\d*[- ]*/, ''))
  const offered = new Map<string, string[]>()
  for (const line of lines) {
    // Some old servers write "AUTH=PLAIN".
    const [word = '', ...values] = line.split(/[ \t=]+/)
    const keyword = word.toUpperCase()
    if (keyword === '' || discard.keywords.has(keyword)) continue
    offered.set(keyword, [...offered.get(keyword) ?? [], ...values])
  }
  const upper = (keyword: string): string[] =>
    (offered.get(keyword) ?? []).filter(Boolean).map((word) => word.toUpperCase())
  return {
    name: splitAtChars(first, ' \t')[0] ?? '',
    pipelining: offered.has('PIPELINING'),
    // Whoever offers SMTPUTF8 takes 8-bit content, said or not.
    eightBitMime: offered.has('8BITMIME') || offered.has('SMTPUTF8'),
    smtpUtf8: offered.has('SMTPUTF8'),
    dsn: offered.has('DSN'),
    startTls: offered.has('STARTTLS'),
    requireTls: offered.has('REQUIRETLS'),
    ...sizeOf(offered.get('SIZE')),
    auth: [...new Set(upper('AUTH'))],
    offersAuth: offered.has('AUTH'),
    xforward: new Set(upper('XFORWARD')),
  }
}

function sizeOf(values: readonly string[] | undefined): Pick<Capabilities, 'size' | 'sizeLimit' | 'badSize'> {
  const [limit] = values ?? []
  if (limit === undefined || limit === '') return { size: values !== undefined, sizeLimit: 0 }
  return /^\d+$/.test(limit) ? { size: true, sizeLimit: Number(limit) } : { size: true, sizeLimit: 0, badSize: limit }
}
