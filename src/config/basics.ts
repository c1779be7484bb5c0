/**
 * What every program reads at its start, whether it has a use for it or not: a mistake there stops all of them,
 * before one does half of its work.
 *
 * Source: which values Postfix 3.11's commands refuse, and in which words.
 *
 * @module
 */
import { EnvironmentError, filterEnvironment } from '#system/environment.ts'
import { facilityNumber } from '#system/log-line.ts'
import { getgrgid, getgrnam, getpwnam, getpwuid, type User } from '#system/users.ts'
import { hostnameProblem } from '#util/hostname.ts'
import { splitAtChars } from '#util/split.ts'
import type { Config } from './config.ts'
import { ConfigError } from './error.ts'
import type { ParameterName } from './parameters/table.ts'

/** Parameters of which a value that is no number, time, yes or no, or too short a text, stops every program. */
const BASIC_NAMES = [
  'address_verify_negative_cache', 'address_verify_service_name', 'application_event_drain_time', 'backwards_bounce_logfile_compatibility',
  'berkeley_db_create_buffer_size', 'berkeley_db_read_buffer_size', 'bounce_service_name', 'cleanup_service_name', 'command_directory',
  'daemon_directory', 'daemon_table_open_error_is_fatal', 'daemon_timeout', 'data_directory', 'debug_peer_level', 'default_cache_db_type',
  'default_database_type', 'default_privs', 'default_process_limit', 'default_verp_delimiters', 'defer_service_name',
  'delay_logging_resolution_limit', 'deliver_lock_attempts', 'deliver_lock_delay', 'disable_dns_lookups', 'disable_mime_input_processing',
  'disable_mime_output_conversion', 'dns_ncache_ttl_fix_enable', 'dont_remove', 'double_bounce_sender', 'enable_idna2003_compatibility',
  'enable_long_queue_ids', 'enable_original_recipient', 'error_service_name', 'fault_injection_code', 'flush_service_name', 'fork_attempts',
  'fork_delay', 'hash_queue_depth', 'hash_queue_names', 'header_address_token_limit', 'header_size_limit', 'helpful_warnings', 'in_flow_delay',
  'info_log_address_format', 'ipc_idle', 'ipc_timeout', 'ipc_ttl', 'line_length_limit', 'lmdb_map_size', 'mail_name', 'mail_owner',
  'mail_release_date', 'mail_version', 'maillog_file_compressor', 'maillog_file_permissions', 'maillog_file_prefixes',
  'maillog_file_rotate_suffix', 'max_idle', 'max_use', 'message_size_limit', 'meta_directory', 'mime_boundary_length_limit',
  'mime_nesting_limit', 'multi_instance_enable', 'mydomain', 'myhostname', 'mynetworks_style', 'myorigin', 'non_bdb_migration_level',
  'non_bdb_migration_log_redirect', 'owner_request_special', 'pickup_service_name', 'postlog_service_name', 'process_id_directory',
  'proxymap_service_name', 'proxywrite_service_name', 'queue_directory', 'queue_service_name', 'requiretls_enable', 'respectful_logging',
  'rewrite_service_name', 'send_cyrus_sasl_authzid', 'setgid_group', 'shlib_directory', 'showq_service_name', 'smtputf8_autodetect_classes',
  'smtputf8_enable', 'socketmap_max_reply_size', 'soft_bounce', 'stale_lock_time', 'strict_7bit_headers', 'strict_8bitmime',
  'strict_8bitmime_body', 'strict_mime_encoding_domain', 'strict_smtputf8', 'syslog_facility', 'syslog_name', 'tcp_windowsize',
  'tls_required_enable', 'trace_service_name', 'trigger_timeout', 'verp_delimiter_filter',
  // Texts that are expanded in every program: a mistake in an expression shows there.
  'alias_database', 'alternate_config_directories', 'debug_peer_list', 'default_delivery_status_filter', 'dnssec_probe', 'export_environment',
  'fast_flush_domains', 'import_environment', 'inet_interfaces', 'inet_protocols', 'internal_mail_filter_classes', 'known_tcp_ports',
  'maillog_file', 'message_drop_headers', 'multi_instance_directories', 'multi_instance_group', 'multi_instance_name',
  'multi_instance_wrapper', 'mydestination', 'non_bdb_custom_mapping', 'non_bdb_migration_service_name', 'parent_domain_matches_subdomains',
  'proxy_interfaces', 'recipient_delimiter', 'relay_domains', 'relayhost',
] as const satisfies readonly ParameterName[]

const NETWORK_STYLES: ReadonlySet<string> = new Set(['class', 'subnet', 'host'])
const PROTOCOLS: ReadonlySet<string> = new Set(['all', 'ipv4', 'ipv6'])
const LEVEL_REGEXP = /^\d+(?:\.\d+){0,2}$/

/**
 * Checks what the site has set of them; the defaults of the table are right.
 *
 * @throws {ConfigError}
 */
export function checkBasics(config: Config): void {
  const level = config.str('compatibility_level')
  if (!LEVEL_REGEXP.test(level)) throw new ConfigError(`malformed compatibility level syntax: "${level}"`)
  for (const name of BASIC_NAMES) if (config.isSet(name)) config.check(name)
  // The default of mydomain is made of myhostname, and may be empty then.
  if (config.isSet('myhostname')) config.check('mydomain')
  for (const name of ['myhostname', 'mydomain'] as const) checkHostName(config, name)
  checkWords(config)
  checkAccounts(config)
}

function checkHostName(config: Config, name: 'myhostname' | 'mydomain'): void {
  const problem = config.isSet(name) ? hostnameProblem(config.str(name)) : undefined
  if (problem === undefined) return
  throw new ConfigError(`file ${config.directory}/main.cf: parameter ${name}: bad parameter value: ${config.str(name)}`, [problem])
}

function checkWords(config: Config): void {
  const facility = config.str('syslog_facility')
  if (facilityNumber(facility) === undefined) refuse(config, `parameter syslog_facility: unrecognized value: ${facility}`)
  refuseUnknown(config, 'inet_protocols', 'inet_protocols', PROTOCOLS)
  refuseUnknown(config, 'mynetworks_style', 'mynetworks mask style', NETWORK_STYLES)
  if (config.isSet('import_environment')) {
    try {
      filterEnvironment(config.str('import_environment'), {})
    } catch (error) {
      if (error instanceof EnvironmentError) throw new ConfigError(error.message)
      throw new ConfigError(`import_environment: ${error instanceof Error ? error.message : ''}`)
    }
  }
  checkVerp(config)
}

function refuseUnknown(config: Config, name: 'inet_protocols' | 'mynetworks_style', title: string, known: ReadonlySet<string>): void {
  const text = config.str(name)
  const bad = splitAtChars(text).find((word) => !known.has(word.toLowerCase()))
  if (bad !== undefined) throw new ConfigError(`unknown ${title} value "${bad}" in "${text}"`)
}

function checkVerp(config: Config): void {
  const filter = config.str('verp_delimiter_filter')
  const [first = '', second = ''] = config.str('default_verp_delimiters')
  const which = filter.includes(first) ? (filter.includes(second) ? undefined : 'second') : 'first'
  if (which !== undefined) refuse(config, `parameters default_verp_delimiters and verp_delimiter_filter: bad ${which} VERP delimiter character`)
}

/** The three names of accounts: known, and without the rights of root. */
function checkAccounts(config: Config): void {
  userOf(config, 'default_privs')
  const owner = userOf(config, 'mail_owner')
  const sharer = getpwuid(owner.uid)?.name
  if (sharer !== undefined && sharer !== owner.name) {
    refuse(config, `parameter mail_owner: user ${owner.name} has same user ID as ${sharer}`)
  }
  const name = config.str('setgid_group')
  const group = getgrnam(name)
  if (group === undefined) refuse(config, `parameter setgid_group: unknown group name: ${name}`)
  if (group.gid === 0) refuse(config, `parameter setgid_group: group ${name} has privileged group ID`)
  const other = getgrgid(group.gid)?.name
  if (other !== undefined && other !== name) refuse(config, `parameter setgid_group: group ${name} has same group ID as ${other}`)
}

function userOf(config: Config, parameter: 'default_privs' | 'mail_owner'): User {
  const name = config.str(parameter)
  const user = getpwnam(name)
  if (user === undefined) return refuse(config, `parameter ${parameter}: unknown user name value: ${name}`)
  if (user.uid === 0) refuse(config, `parameter ${parameter}: user ${name} has privileged user ID`)
  if (user.gid === 0) refuse(config, `parameter ${parameter}: user ${name} has privileged group ID`)
  return user
}

function refuse(config: Config, text: string): never {
  throw new ConfigError(`file ${config.directory}/main.cf: ${text}`)
}
