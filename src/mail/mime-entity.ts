/**
 * The content type and transfer encoding of one MIME entity, read from its headers.
 *
 * Source: RFC 2045 §5, §6; RFC 2046 §5.
 */
import { asciiLower } from '#util/ascii.ts'
import { headerValue } from './header.ts'
import { HeaderScanner, MAIL_SPECIALS, MIME_SPECIALS } from './header-tokens.ts'
import type { HeaderToken } from './header-tokens.ts'

/** Content types that matter for the structure of a message. */
export type ContentType = 'text' | 'message' | 'multipart' | 'other'

/** Subtypes that matter. */
export type Subtype = 'plain' | 'rfc822' | 'partial' | 'external-body' | 'other'

/** What the bytes of a body may be, leaving encodings aside. */
export type Domain = '7bit' | '8bit' | 'binary'

/** Values of Content-Transfer-Encoding. */
export type Encoding = Domain | 'base64' | 'quoted-printable'

/** What is known of the entity at hand. */
export type Entity = {
  readonly type: ContentType
  readonly subtype: Subtype
  readonly encoding: Encoding
  readonly domain: Domain
}

/** A Content-Type header: `boundaries` in order; `parts` is the default type of the parts of a multipart. */
export type ParsedType = {
  readonly type: ContentType
  readonly subtype: Subtype
  readonly boundaries: readonly string[]
  readonly parts: { readonly type: ContentType; readonly subtype: Subtype }
}

const ENCODINGS: ReadonlyMap<string, Pick<Entity, 'encoding' | 'domain'>> = new Map([
  ['7bit', { encoding: '7bit', domain: '7bit' }],
  ['8bit', { encoding: '8bit', domain: '8bit' }],
  ['binary', { encoding: 'binary', domain: 'binary' }],
  ['base64', { encoding: 'base64', domain: '7bit' }],
  ['quoted-printable', { encoding: 'quoted-printable', domain: '7bit' }],
])

const MESSAGE_SUBTYPES: readonly Subtype[] = ['rfc822', 'partial', 'external-body']
const TEXT_PARTS = { type: 'text', subtype: 'plain' } as const
const MESSAGE_PARTS = { type: 'message', subtype: 'rfc822' } as const

/** An entity whose headers say nothing but, maybe, its type: RFC 2045 §6.1, 7bit. */
export function plainEntity(type: ContentType, subtype: Subtype): Entity {
  return { type, subtype, encoding: '7bit', domain: '7bit' }
}

const isToken = (token: HeaderToken | undefined, text: string): boolean =>
  token?.kind === 'token' && asciiLower(token.text) === text

/** Reads a Content-Type header; `undefined` for a type that does not matter, which leaves the default in force. */
export function parseContentType(header: string): ParsedType | undefined {
  const scanner = new HeaderScanner(headerValue(header), MIME_SPECIALS)
  const tokens = scanner.next(3, ';')
  const parsed = { subtype: 'other', boundaries: [], parts: TEXT_PARTS } as const
  if (tokens === undefined || tokens.length === 0) return { ...parsed, type: 'other' }
  const [type, slash, subtype] = tokens
  const sub = slash?.text === '/' && subtype?.kind === 'token' ? asciiLower(subtype.text) : ''
  if (isToken(type, 'text')) return { ...parsed, type: 'text', subtype: sub === 'plain' ? 'plain' : 'other' }
  if (isToken(type, 'message')) {
    return { ...parsed, type: 'message', subtype: MESSAGE_SUBTYPES.find((name) => name === sub) ?? 'other' }
  }
  if (!isToken(type, 'multipart')) return undefined
  // RFC 2046 §5.1.5: the parts of a digest are messages unless they say otherwise.
  const parts = sub === 'digest' ? MESSAGE_PARTS : TEXT_PARTS
  return { type: 'multipart', subtype: 'other', boundaries: boundariesOf(scanner), parts }
}

/** All boundaries count: a second one, which no standard allows, must not hide parts from the checks. */
function boundariesOf(scanner: HeaderScanner): string[] {
  const boundaries: string[] = []
  for (let tokens = scanner.next(3, ';'); tokens !== undefined; tokens = scanner.next(3, ';')) {
    const [name, equals, value] = tokens
    if (isToken(name, 'boundary') && equals?.text === '=' && value !== undefined) boundaries.push(value.text)
  }
  return boundaries
}

/** Reads a Content-Transfer-Encoding header; `undefined` for a value that no standard knows. */
export function parseEncoding(header: string): Pick<Entity, 'encoding' | 'domain'> | undefined {
  const token = new HeaderScanner(headerValue(header), MAIL_SPECIALS).next(1)?.[0]
  return token?.kind === 'token' ? ENCODINGS.get(asciiLower(token.text)) : undefined
}

/** RFC 2045 §6.4: composite types are not encoded themselves; RFC 2046 §5.2.2, §5.2.3: these two are 7bit. */
export function isEncodingAllowed({ type, subtype, encoding, domain }: Entity): boolean {
  if (type !== 'message' && type !== 'multipart') return true
  const only7bit = type === 'message' && (subtype === 'partial' || subtype === 'external-body')
  return only7bit ? domain === '7bit' : encoding === domain
}
