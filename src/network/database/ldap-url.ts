/**
 * LDAP URLs: where servers are, and searches in the form of a URL.
 *
 * Source: RFC 4516; ldap_initialize(3) for `ldapi`.
 */
import { SCOPE, type Scope } from './ldap-message.ts'

/** A server. `host` is a name, an address, or the path of a socket for `ldapi`. */
export type LdapServer = {
  readonly scheme: 'ldap' | 'ldaps' | 'ldapi'
  readonly host: string
  readonly port: number
  /** For messages: `ldap://host:389`. */
  readonly text: string
}

/** A search that a URL describes. */
export type LdapUrl = {
  readonly server: LdapServer
  readonly base: string
  /** Nothing in the URL: all. */
  readonly attributes: readonly string[]
  readonly scope: Scope
  readonly filter: string
}

const PORTS = { ldap: 389, ldaps: 636, ldapi: 0 } as const
const DEFAULT_SOCKET = '/var/run/slapd/ldapi'
const DEFAULT_FILTER = '(objectClass=*)'
const URL_REGEXP = /^(?:<?url:|<)?(ldaps?|ldapi):\/\/([^/?>]*)(?:\/([^>]*))?>?$/i
const START_REGEXP = /^(?:<?url:|<)?ldap[si]?:\/\//i
const SCOPES: ReadonlyMap<string, Scope> = new Map([
  ['', SCOPE.base], ['base', SCOPE.base], ['one', SCOPE.one], ['onelevel', SCOPE.one], ['sub', SCOPE.sub], ['subtree', SCOPE.sub],
])

/** Whether a text is meant as a URL of LDAP. */
export function isLdapUrl(text: string): boolean {
  return START_REGEXP.test(text)
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

function schemeOf(text: string): LdapServer['scheme'] {
  const scheme = text.toLowerCase()
  return scheme === 'ldaps' || scheme === 'ldapi' ? scheme : 'ldap'
}

/** `host`, `host:port`, `[address]:port`, or the escaped path of a socket. */
function serverAt(scheme: LdapServer['scheme'], place: string): LdapServer | undefined {
  if (scheme === 'ldapi') {
    const path = percentDecoded(place)
    return path === undefined ? undefined : { scheme, host: path === '' ? DEFAULT_SOCKET : path, port: 0, text: `ldapi://${place}` }
  }
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::(\d{1,5}))?$/.exec(place)
  if (match === null) return undefined
  const [, bracketed, plain = '', digits] = match
  const port = digits === undefined ? PORTS[scheme] : Number(digits)
  const host = bracketed ?? percentDecoded(plain) ?? ''
  if (port > 65535) return undefined
  const shown = bracketed === undefined ? plain : `[${bracketed}]`
  return { scheme, host: host === '' ? 'localhost' : host, port, text: `${scheme}://${shown}${digits === undefined ? '' : `:${digits}`}` }
}

/**
 * Reads a URL: `ldap://host:port/base?attributes?scope?filter`.
 *
 * @returns `undefined` for one that is malformed, or has an extension that has to be understood.
 */
export function parseLdapUrl(text: string): LdapUrl | undefined {
  const [, scheme, place = '', rest = ''] = URL_REGEXP.exec(text) ?? []
  if (scheme === undefined) return undefined
  const server = serverAt(schemeOf(scheme), place)
  const [base, attributes, scope, filter, extensions, ...more] = rest.split('?').map(percentDecoded)
  const scopeNumber = SCOPES.get((scope ?? '').toLowerCase())
  // RFC 4516 §2: an extension with an exclamation mark must not be ignored.
  const critical = (extensions ?? '').split(',').some((extension) => extension.startsWith('!'))
  if (server === undefined || base === undefined || scopeNumber === undefined || more.length > 0 || critical) return undefined
  const names = (attributes ?? '').split(',').filter((name) => name !== '')
  return {
    server, base, scope: scopeNumber,
    attributes: names.includes('*') ? [] : names,
    filter: filter === undefined || filter === '' ? DEFAULT_FILTER : filter,
  }
}

/**
 * The servers of a `server_host` setting.
 *
 * @param hosts URLs, `host` and `host:port`, apart by white space or commas.
 * @param port For hosts without one.
 * @returns The servers in their order, and the words that could not be read.
 */
export function parseServers(hosts: string, port: number): { readonly servers: readonly LdapServer[]; readonly bad: readonly string[] } {
  const servers: LdapServer[] = []
  const bad: string[] = []
  for (const word of hosts.split(/[ \t\r\n,]+/).filter((text) => text !== '')) {
    const url = isLdapUrl(word) ? word : `ldap://${word}${word.includes(':') ? '' : `:${port}`}`
    const server = parseLdapUrl(url)?.server
    if (server === undefined) bad.push(word)
    else servers.push(server)
  }
  return { servers, bad }
}
