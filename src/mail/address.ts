/**
 * Mail addresses: parts, quoting, extension.
 *
 * An address has two forms. The internal form is plain text, local part and
 * domain joined by the last `@`: queue records and the envelope hold it. The
 * external form quotes the local part where RFC 5322 asks for it: headers,
 * SMTP and most lookup tables hold it.
 *
 * Source: RFC 5321 §4.1.2 (quoted string), RFC 5322 §3.4.1; postconf(5) recipient_delimiter.
 */
import { asciiLower, equalsIgnoreCase } from '#util/ascii.ts'

/** An address cut at its last `@`. `domain` is `undefined` without one, and may be empty. */
export type AddressParts = { readonly local: string; readonly domain: string | undefined }

/** What a local part may not hold outside quotes, besides controls and misplaced dots. Bytes beyond ASCII are free. */
const SPECIALS = ' ()<>@,;:\\"[]'

/** Only these are escaped between quotes; line breaks do not survive an envelope but do in a header. */
const ESCAPED_REGEXP = /["\\\r]/g

/** Cuts an address in internal form at its last `@`. */
export function splitAddress(address: string): AddressParts {
  const at = address.lastIndexOf('@')
  if (at < 0) return { local: address, domain: undefined }
  return { local: address.slice(0, at), domain: address.slice(at + 1) }
}

/** What follows the last `@`; `undefined` without one. */
export function domainOf(address: string): string | undefined {
  return splitAddress(address).domain
}

/** Whether a local part needs no quotes: RFC 5322 §3.4.1 dot-atom, but 8-bit characters are allowed. */
export function isDotString(local: string): boolean {
  let previous = '.'
  for (const c of local) {
    if (c < ' ' || c === '\u007f' || SPECIALS.includes(c)) return false
    if (c === '.' && previous === '.') return false
    previous = c
  }
  return previous !== '.'
}

/** A local part as it stands in external form: in quotes where it has to be. */
export function quoteLocal(local: string): string {
  return isDotString(local) ? local : `"${local.replaceAll(ESCAPED_REGEXP, String.raw`\$&`)}"`
}

/** Where the mailbox starts: after the route of `@a,@b:user@domain`. */
function routeEnd(address: string): number {
  return address.startsWith('@') ? address.indexOf(':') + 1 : 0
}

/** The external form of an address in internal form. The domain stays as it is, and so does the null address. */
export function externalAddress(internal: string): string {
  if (internal === '') return ''
  const start = routeEnd(internal)
  const at = internal.lastIndexOf('@')
  const end = at < start ? internal.length : at
  const local = internal.slice(start, end)
  return isDotString(local) ? internal : internal.slice(0, start) + quoteLocal(local) + internal.slice(end)
}

/**
 * The internal form of an address in external form: quotes and backslashes
 * before the last unquoted `@` are taken away; everything from there on stays.
 */
export function internalAddress(external: string): string {
  if (!external.includes('"') && !external.includes('\\')) return external
  const start = routeEnd(external)
  let out = external.slice(0, start)
  let domain: { readonly from: number; readonly localEnd: number } | undefined
  let quoted = false
  for (let i = start; i < external.length; i++) {
    let c = external.charAt(i)
    if (c === '"') {
      quoted = !quoted
      continue
    }
    if (c === '@' && !quoted) domain = { from: i, localEnd: out.length }
    if (c === '\\') {
      if (i + 1 === external.length) continue
      c = external.charAt(++i)
    }
    out += c
  }
  return domain === undefined ? out : out.slice(0, domain.localEnd) + external.slice(domain.from)
}

/** What decides whether a local part has an extension. */
export type ExtensionOptions = {
  /** `double_bounce_sender`: this user has no extension. */
  readonly doubleBounceSender?: string
  /** `owner_request_special`: with `-` as delimiter, `owner-x` and `x-request` are whole names. Default true. */
  readonly ownerRequestSpecial?: boolean
}

/** A local part cut at its delimiter; without an extension `extension` and `delimiter` are `undefined`. */
export type UserParts =
  | { readonly user: string; readonly extension: string; readonly delimiter: string }
  | { readonly user: string; readonly extension: undefined; readonly delimiter: undefined }

/** Names that stay whole: mail to them must arrive whatever the delimiter is. */
const WHOLE_NAMES: readonly string[] = ['postmaster', 'mailer-daemon']

/**
 * Cuts a local part at the leftmost of the delimiter characters.
 *
 * @param delimiters `recipient_delimiter`: a set of characters; empty means no extensions.
 */
export function splitExtension(local: string, delimiters: string, options: ExtensionOptions = {}): UserParts {
  const whole: UserParts = { user: local, extension: undefined, delimiter: undefined }
  if (delimiters === '' || isWhole(local, delimiters, options)) return whole
  let at = 0
  while (at < local.length && !delimiters.includes(local.charAt(at))) at++
  // A name must be left: `+x+y` stays whole.
  if (at === 0 || at === local.length) return whole
  return { user: local.slice(0, at), extension: local.slice(at + 1), delimiter: local.charAt(at) }
}

function isWhole(local: string, delimiters: string, options: ExtensionOptions): boolean {
  if (WHOLE_NAMES.some((name) => equalsIgnoreCase(name, local))) return true
  if (options.doubleBounceSender !== undefined && equalsIgnoreCase(options.doubleBounceSender, local)) return true
  if (!delimiters.includes('-') || options.ownerRequestSpecial === false) return false
  const name = asciiLower(local)
  return name.startsWith('owner-') || (name.endsWith('-request') && name.length > 8)
}

/** An address in internal form without its extension, and the extension with its delimiter (`+ext`), if any. */
export function stripExtension(
  address: string,
  delimiters: string,
  options: ExtensionOptions = {},
): { readonly address: string; readonly extension: string | undefined } {
  const { local, domain } = splitAddress(address)
  const parts = splitExtension(local, delimiters, options)
  if (parts.extension === undefined) return { address, extension: undefined }
  const stripped = domain === undefined ? parts.user : `${parts.user}@${domain}`
  return { address: stripped, extension: parts.delimiter + parts.extension }
}
