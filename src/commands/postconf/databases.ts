/**
 * Settings of database tables, as far as postconf knows them: `ldap:/file` has a file of its own,
 * whose names are checked; `ldap:name` takes `name_server_host` and so on from main.cf.
 *
 * Source: ldap_table(5), mysql_table(5), pgsql_table(5), sqlite_table(5), memcache_table(5), mongodb_table(5).
 *
 * @module
 */
import { readFileSync, statSync } from 'node:fs'
import { errnoText } from '#system/errno.ts'
import { splitOutsideBraces } from '#util/split.ts'
import { parseMainCf } from '#config/main-cf.ts'

/** One table that a value names: `type:name`. */
export type DatabaseReference = { readonly type: string; readonly name: string }

/** For each type of database, the names of its settings. */
const SETTINGS: ReadonlyMap<string, readonly string[]> = new Map(Object.entries({
  ldap: words(
    'bind bind_dn bind_pw cache cache_expiry cache_size chase_referrals debuglevel dereference domain '
    + 'expansion_limit leaf_result_attribute query_filter recursion_limit result_attribute result_filter '
    + 'result_format sasl_authz_id sasl_mechs sasl_minssf sasl_realm scope search_base server_host '
    + 'server_port size_limit special_result_attribute start_tls terminal_result_attribute timeout '
    + 'tls_ca_cert_dir tls_ca_cert_file tls_cert tls_cipher_suite tls_key tls_random_file tls_require_cert '
    + 'version',
  ),
  memcache: words(
    'backup data_size_limit domain flags key_digest key_format line_size_limit max_try memcache '
    + 'retry_pause timeout ttl',
  ),
  mongodb: words('collection dbname domain expansion_limit projection query_filter result_attribute result_format uri'),
  mysql: words(
    'additional_conditions charset dbname domain expansion_limit hosts idle_interval option_file '
    + 'option_group password query require_result_set result_format retry_interval select_field table '
    + 'tls_CAfile tls_CApath tls_cert_file tls_ciphers tls_key_file tls_verify_cert user where_field',
  ),
  pgsql: words(
    'additional_conditions dbname domain encoding expansion_limit hosts idle_interval password query '
    + 'result_format retry_interval select_field select_function table user where_field',
  ),
  redis: words(
    'dbname domain password prefix query result_format sentinel_password sentinel_user timeout tls_CAfile '
    + 'tls_CApath tls_cert_file tls_ciphers tls_key_file tls_verify_cert url user',
  ),
  sqlite: words(
    'additional_conditions dbpath domain expansion_limit query result_format select_field table '
    + 'where_field',
  ),
}))

/** Tables made of other tables, whose names are in braces. */
const COMBINING_TYPES: readonly string[] = ['pipemap', 'unionmap']

/** The database tables that a value refers to, `proxy:` or not. */
export function databasesIn(value: string): DatabaseReference[] {
  return splitOutsideBraces(value).flatMap((word) => databaseOf(word))
}

/** Names in main.cf that set up the table `reference`, such as `accounts_server_host`. */
export function settingNames({ type, name }: DatabaseReference): string[] {
  return (SETTINGS.get(type) ?? []).map((setting) => `${name}_${setting}`)
}

/** Whether the table has a file of its own. */
export function hasFile({ name }: DatabaseReference): boolean {
  return name.startsWith('/')
}

/**
 * Texts of warnings about the file of a table: it cannot be read, or sets what its type does not know.
 *
 * @param quiet Leaves out the second kind.
 */
export function checkFile({ type, name }: DatabaseReference, quiet: boolean): string[] {
  let text: string
  try {
    if (!statSync(name).isFile()) return [`open "${type}" configuration "${name}": not a regular file`]
    text = readFileSync(name, 'utf8')
  } catch (error) {
    return [`open "${type}" configuration "${name}": ${errnoText(error)}`]
  }
  const { values, warnings } = parseMainCf(text, name)
  const unused = quiet ? [] : [...values].filter(([setting]) => !SETTINGS.get(type)?.includes(setting))
  return [...warnings, ...unused.map(([setting, value]) => `${type}:${name}: unused parameter: ${setting}=${value}`)]
}

function databaseOf(word: string): DatabaseReference[] {
  if (word.startsWith('{')) return databasesIn(word.slice(1, -1))
  const [, type = '', name = ''] = /^(?:proxy:|debug:)*([^:]*):(.*)$/s.exec(word) ?? []
  if (COMBINING_TYPES.includes(type)) return databaseOf(name)
  // Postfix looks at no file whose path is relative.
  return !SETTINGS.has(type) || name === '' || name.startsWith('.') ? [] : [{ type, name }]
}

function words(text: string): string[] {
  return text.split(' ')
}
