/**
 * A self-signed certificate: enough for STARTTLS between mail servers and for trying things out; mail programs
 * will ask their user to trust it.
 *
 * @module
 */
import { generate } from 'selfsigned'

/** PEM texts. */
export type Certificate = { readonly key: string; readonly certificate: string }

const VALID_DAYS = 3650
const DAY_MS = 86_400_000

/**
 * Makes a key and a certificate for a host.
 *
 * @param names Host names; the first is the common name, all are alternative names (RFC 6125 §6.4).
 */
export async function selfSignedCertificate(names: readonly [string, ...string[]]): Promise<Certificate> {
  const now = Date.now()
  const pems = await generate([{ name: 'commonName', value: names[0] }], {
    keyType: 'ec',
    curve: 'P-256',
    algorithm: 'sha256',
    notBeforeDate: new Date(now - DAY_MS),
    notAfterDate: new Date(now + VALID_DAYS * DAY_MS),
    extensions: [{ name: 'subjectAltName', altNames: names.map((value) => ({ type: 2, value })) }],
  })
  return { key: pems.private, certificate: pems.cert }
}
