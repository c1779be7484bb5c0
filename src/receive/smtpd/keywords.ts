/**
 * The EHLO reply: which keywords a client is offered, and which are discarded.
 *
 * Source: RFC 5321 §4.1.1.1; postconf(5) smtpd_discard_ehlo_keywords.
 */
import { asciiLower, asciiUpper } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'

/** Keywords that can be discarded, in the order of log lines. `silent-discard` is only a word of the list. */
const DISCARDABLE: readonly string[] = [
  '8bitmime', 'auth', 'etrn', 'pipelining', 'size', 'verp', 'vrfy', 'xclient', 'xforward', 'starttls',
  'enhancedstatuscodes', 'dsn', 'smtputf8', 'chunking', 'requiretls',
]
const SILENT = 'silent-discard'

/** Keywords, in lower case, that are not offered. */
export type KeywordMask = ReadonlySet<string>

/** Reads smtpd_discard_ehlo_keywords; words that name nothing are left out. */
export function discardMask(text: string): KeywordMask {
  return new Set(splitAtChars(text).map(asciiLower).filter((word) => word === SILENT || DISCARDABLE.includes(word)))
}

/** What the log says about discarded keywords; undefined when there are none, or nothing is to be said. */
export function discardedNames(mask: KeywordMask): string | undefined {
  if (mask.size === 0 || mask.has(SILENT)) return undefined
  return DISCARDABLE.filter((word) => mask.has(word)).map(asciiUpper).join(', ')
}

/** What decides on the keywords of one EHLO reply. */
export type Offer = {
  readonly hostname: string
  readonly discard: KeywordMask
  /** 0: SIZE without a number. */
  readonly messageBytesMax: number
  readonly vrfy: boolean
  readonly starttls: boolean
  /** Mechanisms; empty: no AUTH. */
  readonly mechanisms: readonly string[]
  /** broken_sasl_auth_clients: the form `AUTH=` too. */
  readonly authEquals: boolean
  readonly verp: boolean
  readonly xclient: boolean
  readonly xforward: boolean
  readonly smtputf8: boolean
  readonly requireTls: boolean
}

/** Attributes of XCLIENT, in the order in which they are offered. */
export const XCLIENT_NAMES = [
  'NAME', 'ADDR', 'PROTO', 'HELO', 'REVERSE_NAME', 'PORT', 'LOGIN', 'DESTADDR', 'DESTPORT',
] as const
/** Attributes of XFORWARD, in the order in which they are offered. */
export const XFORWARD_NAMES = ['NAME', 'ADDR', 'PROTO', 'HELO', 'SOURCE', 'PORT', 'IDENT'] as const

/** The whole EHLO reply, lines joined by CR LF. */
export function ehloReply(offer: Offer): string {
  const auth = offer.mechanisms.join(' ')
  const lines: readonly (readonly [word: string, offered: boolean, text: string])[] = [
    ['pipelining', true, 'PIPELINING'],
    ['size', true, offer.messageBytesMax > 0 ? `SIZE ${offer.messageBytesMax}` : 'SIZE'],
    ['vrfy', offer.vrfy, 'VRFY'],
    ['etrn', true, 'ETRN'],
    ['starttls', offer.starttls, 'STARTTLS'],
    ['auth', auth !== '', `AUTH ${auth}`],
    ['auth', auth !== '' && offer.authEquals, `AUTH=${auth}`],
    ['verp', offer.verp, 'XVERP'],
    ['xclient', offer.xclient, `XCLIENT ${XCLIENT_NAMES.join(' ')}`],
    ['xforward', offer.xforward, `XFORWARD ${XFORWARD_NAMES.join(' ')}`],
    ['enhancedstatuscodes', true, 'ENHANCEDSTATUSCODES'],
    ['8bitmime', true, '8BITMIME'],
    ['dsn', true, 'DSN'],
    ['smtputf8', offer.smtputf8, 'SMTPUTF8'],
    ['chunking', true, 'CHUNKING'],
    ['requiretls', offer.requireTls, 'REQUIRETLS'],
  ]
  const texts = [
    offer.hostname, ...lines.filter(([word, offered]) => offered && !offer.discard.has(word)).map(([, , text]) => text),
  ]
  return texts.map((text, i) => `250${i < texts.length - 1 ? '-' : ' '}${text}`).join('\r\n')
}
