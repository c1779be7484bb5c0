/**
 * Parameters of the restrictions, read once.
 *
 * Source: postconf(5).
 */
import { ConfigError } from '#config/error.ts'
import type { Config } from '#config/config.ts'
import { openMaps } from '#tables/maps.ts'
import type { Maps } from '#tables/maps.ts'
import { openMatchList } from '#tables/match-list.ts'
import type { MatchList } from '#tables/match-list.ts'
import { asciiLower } from '#util/ascii.ts'
import type { AddressFormat } from './log-lines.ts'

/** Reply codes: three digits, not yet checked. */
export type ReplyCodes = {
  readonly reject: number
  readonly defer: number
  readonly accessReject: number
  readonly accessDefer: number
  readonly relay: number
  readonly plaintext: number
  readonly unknownClient: number
  readonly invalidHostname: number
  readonly nonFqdn: number
  readonly unknownHostname: number
  readonly unknownAddress: number
  readonly unknownLocal: number
  readonly unknownRelay: number
  readonly unknownVirtualMailbox: number
  readonly unknownVirtualAlias: number
  readonly multiRecipientBounce: number
  readonly rbl: number
}

/** What a lookup that fails for now does: at once, or only if nothing else rejects. */
export type TempfailAction = 'defer' | 'defer_if_permit'

/** How reject_unverified_sender and _recipient answer. */
export type UnverifiedSettings = {
  readonly deferCode: number
  readonly rejectCode: number
  /** Replaces the reason of the remote system, unless empty. */
  readonly reason: string
  readonly tempfail: TempfailAction
}

/** Everything that does not depend on the session. */
export type AccessSettings = {
  readonly codes: ReplyCodes
  readonly softBounce: boolean
  readonly delayReject: boolean
  readonly relayBeforeRecipient: boolean
  readonly rejectUnlistedSender: boolean
  readonly rejectUnlistedRecipient: boolean
  /** receive_override_options no_unknown_recipient_checks. */
  readonly skipUnlisted: boolean
  readonly allowUntrustedRouting: boolean
  readonly showTableName: boolean
  readonly plainParents: boolean
  readonly saslEnabled: boolean
  readonly askCertificate: boolean
  readonly nullSenderKey: string
  readonly mailName: string
  readonly myhostname: string
  readonly stress: string
  readonly compatibilityLevel: string
  readonly mailVersion: string
  readonly doubleBounceSender: string
  readonly addressFormat: AddressFormat
  readonly unknownHostnameTempfail: TempfailAction
  readonly unknownAddressTempfail: TempfailAction
  readonly unverifiedSender: UnverifiedSettings
  readonly unverifiedRecipient: UnverifiedSettings
  readonly verifyPolls: number
  readonly verifyPollDelaySeconds: number
  readonly defaultRblReply: string
  readonly expansionFilter: string
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** Old defaults that the compatibility level keeps and that a line in the log mentions when they matter. */
  readonly oldDefaults: {
    readonly relayRestrictions: boolean
    readonly relayDomains: boolean
    readonly relayOrder: boolean
  }
}

/** Lists and tables that restrictions use besides those they name. */
export type AccessTables = {
  readonly mynetworks: MatchList
  readonly permitMxBackupNetworks: MatchList
  readonly logPermit: MatchList
  readonly relayClientCertificates: Maps
  readonly localRecipients: Maps
  readonly relayRecipients: Maps
  readonly virtualMailboxes: Maps
  readonly senderCanonical: Maps
  readonly recipientCanonical: Maps
  readonly canonical: Maps
  readonly virtualAliases: Maps
  readonly senderLogins: Maps
  readonly rblReplies: Maps
}

/** Reads the parameters. @throws {ConfigError} On values that cannot be. */
export function readSettings(config: Config): AccessSettings {
  const protocols = config.list('inet_protocols').map(asciiLower)
  return {
    codes: readCodes(config),
    softBounce: config.bool('soft_bounce'),
    delayReject: config.bool('smtpd_delay_reject'),
    relayBeforeRecipient: config.bool('smtpd_relay_before_recipient_restrictions'),
    rejectUnlistedSender: config.bool('smtpd_reject_unlisted_sender'),
    rejectUnlistedRecipient: config.bool('smtpd_reject_unlisted_recipient'),
    skipUnlisted: config.list('receive_override_options').includes('no_unknown_recipient_checks'),
    allowUntrustedRouting: config.bool('allow_untrusted_routing'),
    showTableName: config.bool('show_user_unknown_table_name'),
    plainParents: config.list('parent_domain_matches_subdomains').includes('smtpd_access_maps'),
    saslEnabled: config.bool('smtpd_sasl_auth_enable'),
    askCertificate: config.bool('smtpd_tls_ask_ccert'),
    nullSenderKey: config.str('smtpd_null_access_lookup_key'),
    mailName: config.str('mail_name'),
    myhostname: config.str('myhostname'),
    stress: config.str('stress'),
    compatibilityLevel: config.str('compatibility_level'),
    mailVersion: config.str('mail_version'),
    doubleBounceSender: config.str('double_bounce_sender'),
    addressFormat: asciiLower(config.str('info_log_address_format')) === 'internal' ? 'internal' : 'external',
    unknownHostnameTempfail: readTempfail(config, 'unknown_helo_hostname_tempfail_action'),
    unknownAddressTempfail: readTempfail(config, 'unknown_address_tempfail_action'),
    unverifiedSender: readUnverified(config, 'sender'),
    unverifiedRecipient: readUnverified(config, 'recipient'),
    verifyPolls: config.int('address_verify_poll_count'),
    verifyPollDelaySeconds: config.time('address_verify_poll_delay'),
    defaultRblReply: config.raw('default_rbl_reply'),
    expansionFilter: unescape(config.raw('smtpd_expansion_filter')),
    ipv4: protocols.includes('all') || protocols.includes('ipv4'),
    ipv6: protocols.includes('all') || protocols.includes('ipv6'),
    oldDefaults: readOldDefaults(config),
  }
}

function readCodes(config: Config): ReplyCodes {
  return {
    reject: config.int('reject_code'),
    defer: config.int('defer_code'),
    accessReject: config.int('access_map_reject_code'),
    accessDefer: config.int('access_map_defer_code'),
    relay: config.int('relay_domains_reject_code'),
    plaintext: config.int('plaintext_reject_code'),
    unknownClient: config.int('unknown_client_reject_code'),
    invalidHostname: config.int('invalid_hostname_reject_code'),
    nonFqdn: config.int('non_fqdn_reject_code'),
    unknownHostname: config.int('unknown_hostname_reject_code'),
    unknownAddress: config.int('unknown_address_reject_code'),
    unknownLocal: config.int('unknown_local_recipient_reject_code'),
    unknownRelay: config.int('unknown_relay_recipient_reject_code'),
    unknownVirtualMailbox: config.int('unknown_virtual_mailbox_reject_code'),
    unknownVirtualAlias: config.int('unknown_virtual_alias_reject_code'),
    multiRecipientBounce: config.int('multi_recipient_bounce_reject_code'),
    rbl: config.int('maps_rbl_reject_code'),
  }
}

type Tempfail = 'unknown_helo_hostname' | 'unknown_address' | 'unverified_sender' | 'unverified_recipient'
type TempfailName = `${Tempfail}_tempfail_action`

function readTempfail(config: Config, name: TempfailName): TempfailAction {
  const value = asciiLower(config.str(name))
  if (value === 'defer' || value === 'defer_if_permit') return value
  throw new ConfigError(`bad configuration: ${name} = ${config.str(name)}`)
}

function readUnverified(config: Config, who: 'sender' | 'recipient'): UnverifiedSettings {
  return {
    deferCode: config.int(`unverified_${who}_defer_code`),
    rejectCode: config.int(`unverified_${who}_reject_code`),
    reason: config.str(`unverified_${who}_reject_reason`),
    tempfail: readTempfail(config, `unverified_${who}_tempfail_action`),
  }
}

function readOldDefaults(config: Config): AccessSettings['oldDefaults'] {
  const [major = 0, minor = 0] = config.str('compatibility_level').split('.').map(Number)
  return {
    relayRestrictions: major < 1 && !config.isSet('smtpd_relay_restrictions'),
    relayDomains: major < 2 && !config.isSet('relay_domains'),
    relayOrder: (major < 3 || (major === 3 && minor < 6)) && !config.isSet('smtpd_relay_before_recipient_restrictions'),
  }
}

/** Backslash escapes of the C language: `\t`, `\40`, `\\` and kin. */
function unescape(text: string): string {
  const letters: Readonly<Record<string, string>> = {
    a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v',
  }
  return text.replaceAll(/\\([0-7]{1,3}|.)/gs, (_all, escaped: string) =>
    /^[0-7]/.test(escaped) ? String.fromCharCode(Number.parseInt(escaped, 8)) : (letters[escaped] ?? escaped))
}

/** Opens the lists and tables. */
export function openTables(config: Config): AccessTables {
  const maps = (name: MapsName): Maps => openMaps(name, config.str(name), { config })
  const logPermit = config.str('smtpd_log_access_permit_actions')
  return {
    mynetworks: openMatchList('mynetworks', config.str('mynetworks'), 'host', { config }),
    permitMxBackupNetworks: openMatchList(
      'permit_mx_backup_networks', config.str('permit_mx_backup_networks'), 'host', { config },
    ),
    logPermit: openMatchList('smtpd_log_access_permit_actions', logPermit, 'string', { config, parent: false }),
    relayClientCertificates: maps('relay_clientcerts'),
    localRecipients: maps('local_recipient_maps'),
    relayRecipients: maps('relay_recipient_maps'),
    virtualMailboxes: maps('virtual_mailbox_maps'),
    senderCanonical: maps('sender_canonical_maps'),
    recipientCanonical: maps('recipient_canonical_maps'),
    canonical: maps('canonical_maps'),
    virtualAliases: maps('virtual_alias_maps'),
    senderLogins: maps('smtpd_sender_login_maps'),
    rblReplies: maps('rbl_reply_maps'),
  }
}

type MapsName =
  | 'relay_clientcerts' | 'local_recipient_maps' | 'relay_recipient_maps' | 'virtual_mailbox_maps'
  | 'sender_canonical_maps'
  | 'recipient_canonical_maps' | 'canonical_maps' | 'virtual_alias_maps' | 'smtpd_sender_login_maps' | 'rbl_reply_maps'
