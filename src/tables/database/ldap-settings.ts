/**
 * Settings of an ldap table.
 *
 * Diagnostics: TableOpenError for what cannot be used; warnings for what is ignored, in Postfix's words.
 * Source: ldap_table(5).
 */
import { log } from '#system/log.ts'
import type { LdapOptions } from '#network/database/ldap.ts'
import { SCOPE, type Scope } from '#network/database/ldap-message.ts'
import { parseServers } from '#network/database/ldap-url.ts'
import { authorities, keyPair } from '#network/tls/keys.ts'
import { TableOpenError } from '#tables/table.ts'
import { splitAtChars } from '#util/split.ts'
import type { Settings } from './settings.ts'
import { parseTemplate, templateContext, type Template } from './template.ts'

/** Attributes that are asked for. In one list: first the terminal ones, then leaf, ordinary and special ones. */
export type ResultAttributes = {
  readonly all: readonly string[]
  readonly terminal: number
  readonly leaf: number
  /** All but the special ones. */
  readonly ordinary: number
}

/** What a table looks for, and what it makes of it. */
export type LdapQuery = {
  readonly base: Template
  readonly filter: Template
  readonly format: Template
  readonly scope: Scope
  readonly attributes: ResultAttributes
  readonly dereference: number
  readonly timeoutSeconds: number
  readonly sizeLimit: number
  readonly expansionLimit: number
  readonly recursionLimit: number
}

const LDAP_PORT = 389
const TIMEOUT_SECONDS = 10
const RECURSION_LIMIT = 1000
const DEFAULT_FILTER = '(mailacceptinggeneralid=%s)'
const IGNORED = ['cache', 'cache_expiry', 'cache_size'] as const
const BINDS: ReadonlyMap<string, 'none' | 'simple' | 'sasl'> = new Map([
  ['no', 'none'], ['none', 'none'], ['yes', 'simple'], ['simple', 'simple'], ['sasl', 'sasl'],
])

function scopeOf(settings: Settings): Scope {
  const text = settings.str('scope', 'sub', { min: 1 })
  const scope = ({ one: SCOPE.one, base: SCOPE.base, sub: SCOPE.sub } as Readonly<Record<string, Scope>>)[text.toLowerCase()]
  if (scope === undefined) {
    log.warning(`dict_ldap_open: ${settings.name}: Unrecognized value ${text} specified for scope; using sub`)
  }
  return scope ?? SCOPE.sub
}

function attributesOf(settings: Settings): ResultAttributes {
  const words = (setting: string, fallback = ''): string[] => splitAtChars(settings.str(setting, fallback))
  const terminal = words('terminal_result_attribute')
  const leaf = words('leaf_result_attribute')
  const ordinary = words('result_attribute', 'maildrop')
  const special = words('special_result_attribute')
  return {
    all: [...terminal, ...leaf, ...ordinary, ...special],
    terminal: terminal.length, leaf: leaf.length, ordinary: terminal.length + leaf.length + ordinary.length,
  }
}

function dereferenceOf(settings: Settings): number {
  const value = settings.int('dereference', 0)
  if (value >= 0 && value <= 3) return value
  log.warning(`dict_ldap_open: ${settings.name} Unrecognized value ${value} specified for dereference; using 0`)
  return 0
}

/** The text of `bind` and who we are; `undefined`: no bind. @throws {TableOpenError} */
function bindOf(settings: Settings): LdapOptions['bind'] {
  const text = settings.str('bind', 'yes', { min: 1 })
  const kind = BINDS.get(text.toLowerCase())
  if (kind === undefined) throw new TableOpenError(`${settings.name}: unsupported parameter value: bind = ${text}`)
  if (kind === 'sasl') {
    throw new TableOpenError(`${settings.name}: bind = ${text}: SASL binds are not supported by Posthorn; use "bind = yes" over TLS`)
  }
  const who = { dn: settings.str('bind_dn', ''), password: settings.str('bind_pw', '') }
  return kind === 'none' ? undefined : who
}

/** The protocol's version; 2 cannot do TLS. */
function versionOf(settings: Settings, needsThree: string | undefined): number {
  const value = settings.int('version', 3)
  if (value !== 2 && value !== 3) {
    log.warning(`dict_ldap_open: ${settings.name} Unknown version ${value}, using 3.`)
    return 3
  }
  if (value === 2 && needsThree !== undefined) {
    log.warning(`dict_ldap_open: ${settings.name} ${needsThree} requires protocol version 3`)
    return 3
  }
  return value
}

function tlsOf(settings: Settings): LdapOptions['tls'] {
  const [file, folder] = [settings.str('tls_ca_cert_file', ''), settings.str('tls_ca_cert_dir', '')]
  const [cert, key] = [settings.str('tls_cert', ''), settings.str('tls_key', '')]
  const ciphers = settings.str('tls_cipher_suite', '')
  settings.str('tls_random_file', '')
  const context: LdapOptions['tls']['context'] = () => {
    const ca = authorities(file, folder)
    return process.getBuiltinModule('node:tls').createSecureContext({
      ...(ca.length === 0 ? {} : { ca }),
      ...(cert === '' ? {} : keyPair(cert, key)),
      ...(ciphers === '' ? {} : { ciphers }),
    })
  }
  return { context, verify: settings.bool('tls_require_cert', false) }
}

/** Where the directory is and how to talk to it. @throws {TableOpenError} */
export function ldapOptions(settings: Settings): LdapOptions {
  const hosts = settings.str('server_host', 'localhost', { min: 1 })
  const { servers, bad } = parseServers(hosts, settings.int('server_port', LDAP_PORT))
  for (const word of bad) log.error(`dict_ldap_open: error parsing URL ${word}; skipping`)
  if (servers.length === 0) throw new TableOpenError(`${settings.name}: server_host = ${hosts}: there is no server in it`)
  const startTls = settings.bool('start_tls', false)
  const modern = servers.find(({ scheme }) => scheme !== 'ldap')
  return {
    name: settings.name,
    servers,
    version: versionOf(settings, modern === undefined ? (startTls ? 'start_tls' : undefined) : `URL scheme ${modern.scheme}`),
    bind: bindOf(settings),
    startTls,
    tls: tlsOf(settings),
    timeoutMs: 1000 * settings.int('timeout', TIMEOUT_SECONDS),
    chaseReferrals: settings.bool('chase_referrals', false),
  }
}

/** What to ask. @param name The text after `ldap:`. @throws {TableOpenError} */
export function ldapQuery(settings: Settings, name: string): LdapQuery {
  const context = templateContext('ldap', name)
  for (const setting of IGNORED) {
    if (settings.has(setting)) log.warning(`dict_ldap_open: ${settings.name} ignoring ${setting}`)
  }
  const text = settings.str('query_filter', DEFAULT_FILTER)
  const filter = parseTemplate(context, text, 'query')
  if (!filter.dynamic) log.warning(`dict_ldap_open: ${settings.name}: Fixed query_filter ${text} is probably useless`)
  const format = settings.has('result_format') ? settings.str('result_format', '%s') : settings.str('result_filter', '%s')
  const expansionLimit = settings.int('expansion_limit', 0)
  return {
    filter,
    format: parseTemplate(context, format, 'result'),
    base: parseTemplate(context, settings.str('search_base', ''), 'query'),
    scope: scopeOf(settings),
    attributes: attributesOf(settings),
    dereference: dereferenceOf(settings),
    timeoutSeconds: settings.int('timeout', TIMEOUT_SECONDS),
    expansionLimit,
    sizeLimit: settings.int('size_limit', expansionLimit),
    recursionLimit: settings.int('recursion_limit', RECURSION_LIMIT, { min: 1 }),
  }
}
