/**
 * Protocol versions and ciphers of TLS, from the words of the parameters to those of OpenSSL.
 *
 * Source: postconf(5) smtpd_tls_protocols, smtpd_tls_ciphers, tls_*_cipherlist.
 */
import type { SecureVersion } from 'node:tls'
import type { Config } from '#config/config.ts'
import { ConfigError } from '#config/error.ts'
import { asciiLower } from '#util/ascii.ts'
import { splitAtChars } from '#util/split.ts'

/** Versions from the oldest; SSL is not there any more, but may be named. */
const VERSIONS = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[]
const GONE: ReadonlySet<string> = new Set(['sslv2', 'sslv3'])

/** The versions that are left, oldest and newest. */
export type VersionRange = { readonly minVersion: SecureVersion; readonly maxVersion: SecureVersion }

/**
 * Reads `>=TLSv1`, `!SSLv2, !TLSv1.1` or `TLSv1.2, TLSv1.3`. Versions between two that are allowed are allowed too.
 *
 * @throws {ConfigError} For a name that is none, and when nothing is left.
 */
export function versionRange(parameter: string, text: string): VersionRange {
  const excluded = new Set<number>()
  const included = new Set<number>()
  let low = 0
  let high: number = VERSIONS.length - 1
  const bad = (): never => {
    throw new ConfigError(`Invalid TLS protocol list "${text}" in ${parameter}`)
  }
  for (const word of splitAtChars(text, ':, \t\r\n')) {
    const [, sign = '', name = ''] = /^(>=|<=|!)?(.*)$/.exec(word) ?? []
    const old = GONE.has(asciiLower(name))
    const index = VERSIONS.findIndex(
      (version) => asciiLower(version) === asciiLower(name) || name === hexVersion(version),
    )
    if (index < 0 && !old) bad()
    if (sign === '>=') low = Math.max(low, old ? 0 : index)
    else if (sign === '<=') high = Math.min(high, index)
    else if (sign === '!') excluded.add(index)
    else included.add(index)
  }
  const allowed = VERSIONS.filter(
    (_version, i) => i >= low && i <= high && !excluded.has(i) && (included.size === 0 || included.has(i)),
  )
  return { minVersion: allowed[0] ?? bad(), maxVersion: allowed.at(-1) ?? bad() }
}

/** OpenSSL's number of a version, which the parameters take too. */
function hexVersion(version: SecureVersion): string {
  return `0x030${VERSIONS.findIndex((other) => other === version) + 1}`
}

/** The OpenSSL cipher list of a grade, without what is excluded. */
export function cipherList(config: Config, grade: string, exclude: readonly string[]): string {
  const lists: Readonly<Record<string, string>> = {
    high: config.str('tls_high_cipherlist'),
    medium: config.str('tls_medium_cipherlist'),
    low: config.str('tls_medium_cipherlist'),
    export: config.str('tls_medium_cipherlist'),
    null: config.str('tls_null_cipherlist'),
  }
  const list = lists[asciiLower(grade)]
  if (list === undefined) throw new ConfigError(`invalid TLS cipher grade: "${grade}"`)
  return [list, ...exclude.map((word) => `!${word}`)].join(':')
}

/** Key sizes of a cipher by its OpenSSL name: those in use and those of the algorithm. */
export function cipherBits(name: string): { readonly used: number; readonly algorithm: number } {
  if (/3DES|DES-CBC3/.test(name)) return { used: 112, algorithm: 168 }
  if (name.includes('CHACHA20')) return { used: 256, algorithm: 256 }
  const bits = Number(/(?:AES|CAMELLIA|ARIA)_?(128|256)/.exec(name)?.[1] ?? /(128|256)/.exec(name)?.[1] ?? 0)
  return { used: bits, algorithm: bits }
}
