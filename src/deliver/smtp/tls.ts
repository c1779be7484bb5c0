/**
 * TLS towards one server: options of the handshake, and whether its certificate will do.
 *
 * The handshake itself never fails for the sake of a certificate: what the policy
 * asks for is checked afterwards, so that a refusal has the right words.
 *
 * Source: RFC 3207; RFC 6125 §6.4; smtp_tls_* in postconf(5).
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  checkServerIdentity, createSecureContext, rootCertificates, TLSSocket, type ConnectionOptions, type SecureVersion,
} from 'node:tls'
import type { Config } from '#config/config.ts'
import { splitAtChars } from '#util/split.ts'
import type { TlsPolicy } from './tls-policy.ts'

const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[]

/** Options of handshakes, by protocols: certificates are read once. */
export type TlsContexts = { options(policy: TlsPolicy): ConnectionOptions }

/** Reads keys and certificates of one service. @throws When a file cannot be read. */
export function openTlsContexts(config: Config, lmtp: boolean): TlsContexts {
  const pick = <const S extends string>(suffix: S): `smtp_${S}` | `lmtp_${S}` => (lmtp ? `lmtp_${suffix}` : `smtp_${suffix}`)
  const contexts = new Map<string, ConnectionOptions>()
  const trusted = (): string[] => {
    const own = [fileText(config.str(pick('tls_CAfile'))), ...pemsOf(config.str(pick('tls_CApath')))].filter((pem) => pem !== undefined)
    return config.bool('tls_append_default_CA') ? [...own, ...rootCertificates] : own
  }
  return {
    options: (policy) => {
      const known = contexts.get(policy.protocols)
      if (known !== undefined) return known
      const chain = config.list(pick('tls_chain_files')).map(fileText).join('\n')
      const secureContext = createSecureContext({
        ...versions(policy.protocols), ca: trusted(),
        cert: chain === '' ? fileText(config.str(pick('tls_cert_file'))) : chain,
        key: chain === '' ? fileText(config.str(pick('tls_key_file'))) : chain,
      })
      const options = { secureContext, rejectUnauthorized: false }
      contexts.set(policy.protocols, options)
      return options
    },
  }
}

function fileText(file: string): string | undefined {
  return file === '' ? undefined : readFileSync(file, 'utf8')
}

function pemsOf(directory: string): string[] {
  if (directory === '') return []
  return readdirSync(directory).filter((name) => /\.(?:pem|crt|\d+)$/.test(name)).map((name) => readFileSync(join(directory, name), 'utf8'))
}

/** Reads `>=TLSv1.2, !TLSv1`: the range of versions that is left. */
export function versions(protocols: string): { minVersion: SecureVersion; maxVersion: SecureVersion } {
  const words = splitAtChars(protocols.toLowerCase(), ', \t\r\n:')
  const rank = (name: string): number => VERSIONS.findIndex((version) => version.toLowerCase() === name)
  let left = VERSIONS.map(() => true)
  for (const word of words) {
    const limit = rank(word.replace(/^[<>=!]+/, ''))
    if (limit < 0) continue
    if (word.startsWith('>=')) left = left.map((on, i) => on && i >= limit)
    else if (word.startsWith('<=')) left = left.map((on, i) => on && i <= limit)
    else if (word.startsWith('!')) left = left.map((on, i) => on && i !== limit)
  }
  const named = words.filter((word) => rank(word) >= 0)
  if (named.length > 0) left = VERSIONS.map((version) => named.includes(version.toLowerCase()))
  const first = left.indexOf(true)
  return { minVersion: VERSIONS[first] ?? 'TLSv1.2', maxVersion: VERSIONS[left.lastIndexOf(true)] ?? 'TLSv1.3' }
}

/** How far the certificate of a server is to be believed. */
export type Trust = 'Anonymous' | 'Untrusted' | 'Trusted' | 'Verified'

/** Names that a policy's patterns stand for. */
export function matchNames(match: readonly string[], host: string, nexthop: string): string[] {
  return match.map((word) => {
    switch (word.toLowerCase()) {
      case 'hostname':
        return host
      case 'nexthop':
        return nexthop
      case 'dot-nexthop':
        return `.${nexthop}`
      default:
        return word
    }
  })
}

/** Judges the certificate of an established connection. */
export function trustOf(socket: TLSSocket, names: readonly string[]): Trust {
  const certificate = socket.getPeerCertificate()
  if (certificate.subject === undefined) return 'Anonymous'
  if (!socket.authorized) return 'Untrusted'
  const matched = names.some((name) => (name.startsWith('.')
    ? alternativeNames(certificate.subjectaltname).some((own) => own.length > name.length && own.endsWith(name.toLowerCase()))
    : checkServerIdentity(name, certificate) === undefined))
  return matched ? 'Verified' : 'Trusted'
}

function alternativeNames(text: string | undefined): string[] {
  return (text ?? '').split(', ').filter((name) => name.startsWith('DNS:')).map((name) => name.slice(4).toLowerCase())
}

/** The log line of smtp_tls_loglevel 1. */
export function connectionLine(socket: TLSSocket, trust: Trust, relay: string): string {
  const { name, version } = socket.getCipher()
  const bits = /256|CHACHA/.test(name) ? 256 : 128
  return `${trust} TLS connection established to ${relay}: ${socket.getProtocol() ?? version} with cipher ${name} (${bits}/${bits} bits)`
}
