/** Certificates of an authority that exists for one test, made by openssl. */
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'

/** Paths of a key and a certificate. */
export type KeyFiles = { readonly key: string; readonly cert: string }

/** Why none can be made. */
export function opensslAbsent(): string | undefined {
  return existsSync('/usr/bin/openssl') ? undefined : 'openssl is not installed'
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function openssl(...args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'ignore' })
}

/** Makes an authority in a folder. */
export function newAuthority(folder: string, name: string): KeyFiles {
  const files = { key: join(folder, `${name}.key`), cert: join(folder, `${name}.pem`) }
  openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', files.key, '-out', files.cert)
  return files
}

/** Makes a key in a folder, and a certificate for a host that the authority has signed. */
export function newCertificate(folder: string, host: string, authority: KeyFiles): KeyFiles {
  const at = (suffix: string): string => join(folder, `${host}.${suffix}`)
  openssl('req', ...NEW_KEY, '-subj', `/CN=${host}`, '-keyout', at('key'), '-out', at('csr'))
  writeFileSync(at('ext'), `subjectAltName=${isIP(host) === 0 ? 'DNS' : 'IP'}:${host}\n`)
  openssl('x509', '-req', '-in', at('csr'), '-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial', '-days', '2', '-extfile', at('ext'), '-out', at('pem'))
  return { key: at('key'), cert: at('pem') }
}
