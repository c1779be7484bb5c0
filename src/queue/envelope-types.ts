/**
 * What the envelope of a queue file holds.
 *
 * @module
 */

/** One recipient that is still to be served. */
export type EnvelopeRecipient = {
  /** Of its recipient record: the place to mark when it is done. */
  readonly offset: number
  /** Internal form, after rewriting. */
  readonly address: string
  /** As it was given to us; may be empty. */
  readonly original: string
  /** RFC 3461 §4.2: `rfc822;address`, or empty. */
  readonly dsnOrcpt: string
  /** RFC 3461 §4.1: 1 NEVER, 2 SUCCESS, 4 FAILURE, 8 DELAY; 0: not given. */
  readonly notify: number
}

/** The envelope of one message. Sizes and offsets are bytes in the file. */
export type Envelope = {
  /** From the first content record to the record after the content. */
  readonly contentSize: number
  readonly dataOffset: number
  /** Size that logs and SIZE= show: the content without places given up by edits. */
  readonly contentLength: number
  /** Recipients the file was made with, done or not. */
  readonly recipientCount: number
  /** 1: recipients and other records are mixed; 2 to 16: NOTIFY values that occur, shifted left by one. */
  readonly qmgrFlags: number
  /** 1 SMTPUTF8 requested, 2 UTF-8 header, 4 UTF-8 sender, 16 TLS-Required: no, 32 REQUIRETLS. */
  readonly sendOptions: number
  readonly arrival: { readonly seconds: number; readonly microseconds: number }
  /** Seconds; the message expires so long after this. */
  readonly createTime: number
  /** Internal form; empty: null sender. */
  readonly sender: string
  /** Seconds: when to send the delay warning; -1: was sent. */
  readonly warnTime: number | undefined
  readonly warnOffset: number | undefined
  /** `7bit`, `8bit` or empty. */
  readonly encoding: string
  readonly rewriteContext: string
  /** RFC 3461 §4.4; empty: none. */
  readonly envelopeId: string
  /** RFC 3461 §4.3: 1 FULL, 2 HDRS; 0: not given. */
  readonly retFlags: number
  /** `transport:destination`. */
  readonly contentFilter: string | undefined
  readonly redirect: string | undefined
  readonly inspector: string | undefined
  /** The two delimiters of a VERP request. */
  readonly verp: string | undefined
  /** 256 verify (MTA), 512 verify (`sendmail -bv`), 1024 record (`sendmail -v`), 8192 delay sent. */
  readonly traceFlags: number
  /** Of the record to strike out after the report; absent when it stays. */
  readonly traceOffset: number | undefined
  /** All named attributes but those of recipients and of the fields above. */
  readonly attributes: ReadonlyMap<string, string>
  readonly recipients: EnvelopeRecipient[]
  /** Recipients after this pass, done or not: an upper bound. */
  readonly unread: number
  /** Where the next pass starts; `undefined`: there are no more. */
  readonly more: number | undefined
}
