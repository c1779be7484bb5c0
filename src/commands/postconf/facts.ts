/**
 * What this build can do: table types, SASL implementations, lock types, the TLS library.
 *
 * @module
 */

/** Lock types for mailboxes, in the order of preference. */
export const LOCK_TYPES: readonly string[] = ['flock', 'fcntl', 'dotlock']

/** SASL implementations of the SMTP server (smtpd_sasl_type). */
export const SERVER_SASL_TYPES: readonly string[] = ['cyrus', 'dovecot']

/** SASL implementations of the SMTP client (smtp_sasl_type). */
export const CLIENT_SASL_TYPES: readonly string[] = ['cyrus']

/** Table types. The tables are loaded only for this list. */
export async function tableTypes(): Promise<readonly string[]> {
  const { TABLE_TYPES } = await import('#tables/open.ts')
  return TABLE_TYPES
}

/** What `-T topic` prints; `undefined` for a topic that is none. */
export function tlsFacts(topic: string): readonly string[] | undefined {
  switch (topic) {
    // Node.js carries its OpenSSL: there is no other version at run time.
    case 'compile-version':
    case 'run-version':
      return [`OpenSSL ${process.versions.openssl}`]
    case 'public-key-algorithms':
      return ['dsa', 'ecdsa', 'rsa']
    default:
      return undefined
  }
}
