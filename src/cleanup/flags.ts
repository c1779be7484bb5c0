/**
 * What a client of cleanup asks to be done with its message.
 *
 * Source: Postfix cleanup protocol (`flags` attribute); postconf(5) receive_override_options,
 * internal_mail_filter_classes.
 */

/** All default to false. */
export type CleanupFlags = {
  /** Return refused mail to its sender, and report success. */
  readonly bounce?: boolean
  /** Apply header_checks and body_checks and their kin. */
  readonly filter?: boolean
  /** Place on hold. */
  readonly hold?: boolean
  /** Report success and drop the message. */
  readonly discard?: boolean
  /** Add automatic BCC recipients. */
  readonly bcc?: boolean
  /** Apply canonical, virtual and masquerade mapping. */
  readonly map?: boolean
  /** Apply mail filters (Milter). */
  readonly milter?: boolean
  /** The client can pass on whole SMTP replies. */
  readonly smtpReply?: boolean
  /** The client asked for SMTPUTF8. */
  readonly smtputf8?: boolean
  /** Ask for SMTPUTF8 when an address or header needs it. */
  readonly autoutf8?: boolean
  /** The client asked for REQUIRETLS. */
  readonly requireTls?: boolean
}

/** Flags that may come late, with an access decision about the last recipient or DATA. */
export type LateFlags = Pick<CleanupFlags, 'hold' | 'discard' | 'filter'>

/** Flags of mail that people submit, as pickup asks for them. */
export const SUBMISSION_FLAGS: CleanupFlags = { bounce: true, filter: true, bcc: true, map: true, milter: true }

/** Bits of the flags in Postfix's protocol and in `f` records. */
const BITS: Readonly<Record<keyof CleanupFlags, number>> = {
  bounce: 1,
  filter: 2,
  hold: 4,
  discard: 8,
  bcc: 16,
  map: 32,
  milter: 64,
  smtpReply: 128,
  smtputf8: 256,
  autoutf8: 512,
  requireTls: 1024,
}

/** Bits that an `f` record may set after the start. */
export const LATE_BITS = BITS.hold | BITS.discard

/** The flags whose bits are set. */
export function flagsFromBits(bits: number): CleanupFlags {
  const names = Object.entries(BITS).filter(([, bit]) => (bits & bit) !== 0)
  return Object.fromEntries(names.map(([name]) => [name, true]))
}

/** Flags without those that a receive_override_options value turns off. */
export function overriddenFlags(flags: CleanupFlags, overrides: readonly string[]): CleanupFlags {
  const off = new Set(overrides)
  return {
    ...flags,
    filter: flags.filter === true && !off.has('no_header_body_checks'),
    bcc: flags.bcc === true && !off.has('no_address_mappings'),
    map: flags.map === true && !off.has('no_address_mappings'),
    milter: flags.milter === true && !off.has('no_milters'),
  }
}
