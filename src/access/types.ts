/**
 * What smtpd asks of the restriction language, and what it is told.
 *
 * Smtpd describes the session as plain facts; the answer is a reply or none,
 * and effects as data: what to do with the message, what to log.
 *
 * Source: SMTPD_ACCESS_README; access(5); postconf(5) smtpd_*_restrictions.
 */
import type { NameStatus, Resolver } from '#network/dns.ts'
import type { Router } from '#rewrite/resolve.ts'
import type { MaybePromise } from '#util/maybe.ts'

/**
 * When a check is asked for: after connect, HELO or EHLO, MAIL, RCPT (also VRFY), ETRN, DATA (also the
 * first BDAT), and after the content. With smtpd_delay_reject the first three answer ok at once, and
 * `recipient` and `etrn` make up for them.
 */
export type Stage = 'client' | 'helo' | 'sender' | 'recipient' | 'etrn' | 'data' | 'end_of_data'

/** The command at hand, as log lines and policy requests name it. */
export type Where =
  | 'CONNECT' | 'HELO' | 'EHLO' | 'MAIL' | 'RCPT' | 'VRFY' | 'DATA' | 'BDAT' | 'END-OF-MESSAGE' | 'ETRN'

/** The client, as far as its address and the DNS tell. */
export type ClientFacts = {
  /** Verified name, or `unknown`. */
  readonly name: string
  /** Without brackets or prefix. */
  readonly address: string
  readonly port: string
  /** `name[address]`, with smtpd_client_port_logging `name[address]:port`. */
  readonly nameAndAddress: string
  /** Name that the address claims, or `unknown`. */
  readonly reverseName: string
  readonly nameStatus: NameStatus
  readonly reverseNameStatus: NameStatus
}

/** The client's certificate. Fingerprints are as smtpd_tls_fingerprint_digest says. */
export type CertificateFacts = {
  /** Issued by an authority that we trust. */
  readonly trusted: boolean
  readonly subject: string
  readonly issuer: string
  readonly fingerprint: string
  readonly publicKeyFingerprint: string
}

/** The encryption of the session. */
export type TlsFacts = {
  readonly protocol: string
  readonly cipher: string
  readonly keySizeBits: number
  readonly certificate?: CertificateFacts | undefined
}

/** The login of the session; absent before a successful AUTH. */
export type SaslFacts = {
  /** As AUTH named it, or `XCLIENT` when a proxy did the login. */
  readonly method?: string | undefined
  readonly username?: string | undefined
  /** AUTH= of the MAIL command. */
  readonly sender?: string | undefined
}

/** The session and the transaction at this moment. What is not known yet is absent, or undefined. */
export type SessionFacts = {
  readonly where: Where
  readonly client: ClientFacts
  readonly server: { readonly address: string; readonly port: string }
  /** `SMTP` or `ESMTP`. */
  readonly protocol: string
  readonly helo?: string | undefined
  /** Internal form; empty for the null sender; absent before MAIL. */
  readonly sender?: string | undefined
  /** Internal form. In stage `data` and later: that of the only recipient, or absent. */
  readonly recipient?: string | undefined
  /** Recipients accepted so far. */
  readonly recipientCount: number
  readonly etrnDomain?: string | undefined
  /** SIZE= of the MAIL command, 0 without it. */
  readonly declaredSizeBytes: number
  /** Size of the content, once it is there. */
  readonly actualSizeBytes: number
  readonly queueId?: string | undefined
  /** Identifies the transaction to policy servers. */
  readonly instance: string
  readonly smtputf8: boolean
  readonly sasl: SaslFacts
  readonly tls?: TlsFacts | undefined
  /** The client sent commands before it was allowed to. */
  readonly illegalPipelining: boolean
  /** smtpd_proxy_filter is in use: there is no queue file to act upon. */
  readonly proxyFilter: boolean
}

/** What a rejection is about: which notices (notify_classes) it belongs to. */
export type ErrorClass = 'policy' | 'bounce' | 'protocol' | 'resource' | 'software' | 'data'

/** What is to be done besides the reply. Effects also count when the result is a rejection. */
export type Effect =
  /** Put the message on hold. */
  | { readonly kind: 'hold' }
  /** Claim success and drop the message. */
  | { readonly kind: 'discard' }
  /** Send the message through a content filter, `transport:destination`; the last one counts. */
  | { readonly kind: 'filter'; readonly destination: string }
  /** Deliver to this recipient only, external form; the last one counts. */
  | { readonly kind: 'redirect'; readonly address: string }
  /** Deliver to this recipient as well, external form. */
  | { readonly kind: 'bcc'; readonly address: string }
  /** A header line, `Name: value`, before our own Received header. */
  | { readonly kind: 'prepend'; readonly header: string }
  /** Something was wrong that did not lead to a rejection (warn_if_reject): a notice of this class may be due. */
  | { readonly kind: 'fault'; readonly errorClass: ErrorClass }
  /** A log line; the text is without `warning: `. */
  | { readonly kind: 'log'; readonly level: 'info' | 'warning'; readonly text: string }

/**
 * The decision. `reply` is one line with code and status: `554 5.7.1 <x@y>: Relay access denied`.
 * `hangup`: close the connection without sending anything.
 */
export type AccessResult =
  | { readonly kind: 'ok'; readonly effects: readonly Effect[] }
  | {
      readonly kind: 'reject'
      readonly reply: string
      readonly errorClass: ErrorClass
      readonly hangup?: boolean
      readonly effects: readonly Effect[]
    }

/** What is carried from one check of a session to the next; made by `access.newTransaction()`. */
export interface AccessState {
  /** Forgets the mail transaction (RSET, end of mail, HELO); what client and HELO caused stays. */
  reset(): void
}

/** How headers of mail from this client are rewritten, or why that cannot be told now. */
export type ContextResult =
  | { readonly kind: 'ok'; readonly context: 'local' | 'remote' }
  | Extract<AccessResult, { readonly kind: 'reject' }>

/** The restrictions of a configuration. */
export interface Access {
  /** One state per session, made when the client connects. */
  newTransaction(): AccessState
  /** Never rejects (as a promise); trouble is a temporary rejection. At once when nobody else had to be asked. */
  check(stage: Stage, facts: SessionFacts, state: AccessState): MaybePromise<AccessResult>
  /** local_header_rewrite_clients: to be asked before the queue file is opened. */
  rewriteContext(facts: SessionFacts): MaybePromise<ContextResult>
  /** Whether an address of MAIL or RCPT is possible at all: `501 5.1.7 Bad sender address syntax` otherwise. */
  isPossibleAddress(sender: string, address: string, smtputf8: boolean): MaybePromise<boolean>
  /** Closes tables and connections to policy servers. */
  close(): void
}

/** The state of an address, by the verify service. */
export type VerifyAnswer =
  | { readonly kind: 'deliverable' | 'undeliverable' | 'deferred' | 'pending'; readonly reason: string }
  | { readonly kind: 'unavailable' }

/** What the restrictions work with. */
export type AccessTools = {
  readonly resolver: Resolver
  readonly router: Router
  /** Asks the verify service; without it the restrictions reject_unverified_* refuse with a configuration error. */
  readonly verify?: (address: string) => Promise<VerifyAnswer>
  /** Waits; replaced in tests. */
  readonly sleep?: (ms: number) => Promise<void>
}
