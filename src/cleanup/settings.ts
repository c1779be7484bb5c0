/**
 * The parameters of cleanup, read once, and its opened tables.
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import type { ParameterName } from '#config/parameters/table.ts'
import { openAddressContext, type AddressContext } from '#rewrite/address-context.ts'
import type { ExpansionLimits } from '#rewrite/canonical.ts'
import { openMasquerade, type Masquerade } from '#rewrite/masquerade.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { asciiLower } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'
import { byteSet, unescapeBytes } from './characters.ts'

/** Address kinds of canonical_classes and masquerade_classes. */
export type AddressClass = 'envelope_sender' | 'envelope_recipient' | 'header_sender' | 'header_recipient'

/** A canonical map and the addresses it applies to. */
export type CanonicalMap = { readonly maps: Maps; readonly classes: ReadonlySet<string> }

/** header_from_format: `Name <address>`, or `address (Name)`. */
export type HeaderFromFormat = 'standard' | 'obsolete'

/** What non_empty_end_of_header_action may be. */
export type EndOfHeaderAction = 'fix_quietly' | 'add_header' | 'reject'

/** Names as in main.cf, in camel case; limits end in their unit. */
export type Settings = {
  readonly config: Config
  readonly senderCanonical: CanonicalMap
  readonly recipientCanonical: CanonicalMap
  readonly canonical: CanonicalMap
  readonly masquerade: Masquerade
  readonly masqueradeClasses: ReadonlySet<string>
  readonly virtualAlias: Maps
  readonly virtualLimits: ExpansionLimits
  /** Map classes on whose results an extension is put that the key lacked. */
  readonly propagated: ReadonlySet<string>
  readonly addresses: AddressContext
  readonly senderBcc: Maps
  readonly recipientBcc: Maps
  readonly alwaysBcc: string
  readonly headerChecks: Maps
  readonly mimeHeaderChecks: Maps
  readonly nestedHeaderChecks: Maps
  readonly bodyChecks: Maps
  readonly bodyChecksBytesMax: number
  readonly emptyAddressRecipient: string
  readonly myHostname: string
  readonly remoteDomain: string
  readonly originalRecipients: boolean
  readonly duplicatesMax: number
  readonly hopsMax: number
  readonly attributesMax: number
  readonly headerBytesMax: number
  readonly addressTokensMax: number
  readonly lineBytesMax: number
  readonly messageBytesMax: number
  readonly delayWarningSeconds: number
  readonly longIds: boolean
  /** verp_delimiter_filter: characters that VERP may use. */
  readonly verpDelimiters: string
  readonly smtputf8: boolean
  readonly requireTls: boolean
  readonly requireTlsHeader: boolean
  readonly alwaysAddHeaders: boolean
  readonly headerFrom: HeaderFromFormat
  readonly fullNameCharset: string
  readonly undisclosedHeader: string
  readonly droppedHeaders: ReadonlySet<string>
  readonly encodingFromHeader: boolean
  readonly endOfHeader: EndOfHeaderAction
  readonly replaceStrayLineEnds: boolean
  readonly rejectBytes: Uint8Array | undefined
  readonly stripBytes: Uint8Array | undefined
  readonly mime: MimeSettings
  /** non_smtpd_milters. */
  readonly milters: readonly string[]
  readonly milterDefaultAction: string
}

/** Which MIME rules are enforced, and limits. */
export type MimeSettings = {
  readonly disabled: boolean
  readonly strict8bit: boolean
  readonly strict7bitHeaders: boolean
  readonly strict8bitBody: boolean
  readonly strictEncoding: boolean
  readonly nestingMax: number
  readonly boundaryBytesMax: number
}

/** Reads the parameters and opens the tables. @throws {ConfigError} */
export function openSettings(config: Config): Settings {
  return { config, ...mapSettings(config), ...limitSettings(config), ...contentSettings(config) }
}

function open(config: Config, name: ParameterName): Maps {
  return openMaps(name, config.str(name), { config })
}

/** Content is bytes of any origin: patterns do not take it for UTF-8. */
function openChecks(config: Config, name: ParameterName): Maps {
  return openMaps(name, config.str(name), { config: config.withOverrides(new Map([['smtputf8_enable', 'no']])) })
}

function canonicalMap(config: Config, maps: ParameterName, classes: ParameterName): CanonicalMap {
  return { maps: open(config, maps), classes: new Set(config.list(classes)) }
}

function mapSettings(config: Config) {
  return {
    senderCanonical: canonicalMap(config, 'sender_canonical_maps', 'sender_canonical_classes'),
    recipientCanonical: canonicalMap(config, 'recipient_canonical_maps', 'recipient_canonical_classes'),
    canonical: canonicalMap(config, 'canonical_maps', 'canonical_classes'),
    masquerade: openMasquerade(config),
    masqueradeClasses: new Set(config.list('masquerade_classes')),
    virtualAlias: open(config, 'virtual_alias_maps'),
    senderBcc: open(config, 'sender_bcc_maps'),
    recipientBcc: open(config, 'recipient_bcc_maps'),
    alwaysBcc: config.str('always_bcc'),
    headerChecks: openChecks(config, 'header_checks'),
    mimeHeaderChecks: openChecks(config, 'mime_header_checks'),
    nestedHeaderChecks: openChecks(config, 'nested_header_checks'),
    bodyChecks: openChecks(config, 'body_checks'),
    emptyAddressRecipient: config.str('empty_address_recipient'),
    myHostname: config.str('myhostname'),
    remoteDomain: config.str('remote_header_rewrite_domain'),
    addresses: openAddressContext(config),
    propagated: new Set(config.list('propagate_unmatched_extensions')),
    virtualLimits: {
      resultsMax: config.int('virtual_alias_expansion_limit'),
      levelsMax: config.int('virtual_alias_recursion_limit'),
      addressOctetsMax: config.int('virtual_alias_address_length_limit'),
    },
  }
}

function limitSettings(config: Config) {
  return {
    bodyChecksBytesMax: config.int('body_checks_size_limit'),
    duplicatesMax: config.int('duplicate_filter_limit'),
    hopsMax: config.int('hopcount_limit'),
    attributesMax: config.int('queue_file_attribute_count_limit'),
    headerBytesMax: config.int('header_size_limit'),
    addressTokensMax: config.int('header_address_token_limit'),
    lineBytesMax: config.int('line_length_limit'),
    messageBytesMax: config.int('message_size_limit'),
    delayWarningSeconds: config.time('delay_warning_time'),
    originalRecipients: config.bool('enable_original_recipient'),
    longIds: config.bool('enable_long_queue_ids'),
  }
}

function contentSettings(config: Config) {
  return {
    verpDelimiters: config.str('verp_delimiter_filter'),
    smtputf8: config.bool('smtputf8_enable'),
    requireTls: config.bool('requiretls_enable'),
    requireTlsHeader: config.bool('requiretls_esmtp_header'),
    alwaysAddHeaders: config.bool('always_add_missing_headers'),
    headerFrom: choice(config, 'header_from_format', ['standard', 'obsolete']),
    fullNameCharset: config.str('full_name_encoding_charset'),
    undisclosedHeader: config.str('undisclosed_recipients_header'),
    droppedHeaders: new Set(splitAtChars(config.str('message_drop_headers')).map(asciiLower)),
    encodingFromHeader: config.bool('detect_8bit_encoding_header'),
    endOfHeader: choice(config, 'non_empty_end_of_header_action', ['fix_quietly', 'add_header', 'reject']),
    replaceStrayLineEnds: config.bool('cleanup_replace_stray_cr_lf'),
    rejectBytes: byteSet(unescapeBytes(config.str('message_reject_characters'))),
    stripBytes: byteSet(unescapeBytes(config.str('message_strip_characters'))),
    mime: mimeSettings(config),
    milters: config.list('non_smtpd_milters'),
    milterDefaultAction: config.str('milter_default_action'),
  }
}

/** A value that is one of a few words. */
function choice<T extends string>(config: Config, name: ParameterName, words: readonly T[]): T {
  const value = config.str(name)
  const word = words.find((known) => known === value)
  if (word === undefined) throw new ConfigError(`bad parameter value: ${name} = ${value}`)
  return word
}

function mimeSettings(config: Config): MimeSettings {
  return {
    disabled: config.bool('disable_mime_input_processing'),
    strict8bit: config.bool('strict_8bitmime'),
    strict7bitHeaders: config.bool('strict_7bit_headers'),
    strict8bitBody: config.bool('strict_8bitmime_body'),
    strictEncoding: config.bool('strict_mime_encoding_domain'),
    nestingMax: config.int('mime_nesting_limit'),
    boundaryBytesMax: config.int('mime_boundary_length_limit'),
  }
}
