/**
 * Access by the client's TLS certificate.
 *
 * Source: postconf(5), permit_tls_clientcerts, permit_tls_all_clientcerts, check_ccert_access; TLS_README.
 */
import type { Evaluation, Status } from './evaluation.ts'
import { AccessLookup } from './lookup.ts'
import type { Call } from './restriction.ts'
import { REPLY_CLASS } from './status-class.ts'
import type { CertificateFacts } from './types.ts'

/** What can be looked up of a certificate; others are in no search order. */
const SEARCHES: Readonly<Record<string, (certificate: CertificateFacts) => string>> = {
  cert_fingerprint: (certificate) => certificate.fingerprint,
  pubkey_fingerprint: (certificate) => certificate.publicKeyFingerprint,
}

const DEFAULT_SEARCH_ORDER = ['cert_fingerprint', 'pubkey_fingerprint'] as const

function warnNotAsked(evaluation: Evaluation, restriction: string): void {
  if (!evaluation.settings.askCertificate) {
    evaluation.warning(`${restriction} is requested, but "smtpd_tls_ask_ccert = no"`)
  }
}

/**
 * Permits clients whose fingerprint is in relay_clientcerts, or with `all` those whose certificate is trusted.
 *
 * @returns `retry` when the table cannot be read.
 */
export async function permitCertificate(evaluation: Evaluation, all: boolean): Promise<'ok' | 'dunno' | 'retry'> {
  const { tls } = evaluation.facts
  if (tls === undefined) return 'dunno'
  const { certificate } = tls
  if (certificate === undefined) {
    warnNotAsked(evaluation, all ? 'permit_tls_all_clientcerts' : 'permit_tls_clientcerts')
    return 'dunno'
  }
  if (all && certificate.trusted) return 'ok'
  for (const print of [certificate.fingerprint, certificate.publicKeyFingerprint]) {
    const found = await evaluation.tables.relayClientCertificates.find(print)
    if (found.kind === 'found') return 'ok'
    if (found.kind === 'error') {
      evaluation.warning(`relay_clientcerts: lookup error for fingerprint '${certificate.fingerprint}',`
        + ` pkey fingerprint ${certificate.publicKeyFingerprint}`)
      return 'retry'
    }
  }
  return 'dunno'
}

/** `check_ccert_access`: looks up what the search order says, one after the other. */
export async function checkCertificate({ evaluation, list, argument, interpreter }: Call): Promise<Status> {
  const table = interpreter.tables(argument)
  if (table === undefined) return evaluation.configurationError(`See earlier parsing error messages for '${argument}`)
  const certificate = evaluation.facts.tls?.certificate
  if (certificate === undefined) {
    warnNotAsked(evaluation, 'check_ccert_access')
    return 'dunno'
  }
  const lookup = new AccessLookup(evaluation, interpreter, table.maps)
  const subject = { ...list, name: certificate.subject, about: REPLY_CLASS.certificate }
  for (const search of table.searchOrder ?? DEFAULT_SEARCH_ORDER) {
    const keyOf = SEARCHES[search]
    if (keyOf === undefined) {
      return evaluation.configurationError(`check_ccert_access: unexpected action '${search}' in '${argument}'`)
    }
    const { status } = await lookup.exact({ table: argument, key: keyOf(certificate), list: subject })
    if (status !== 'dunno') return status
  }
  return 'dunno'
}
