/**
 * Record data: from the package's form to ours, with every name checked.
 *
 * Each reader returns the record, `undefined` to pass it over, or `INVALID`
 * when it holds a name that is no host name.
 */
import { isValidHostname } from './hostname.ts'
import type { Mx, Srv, Tlsa } from './types.ts'

/** The record holds a name that is no host name. */
export const INVALID = Symbol('invalid')

/** How one record of a type is read. */
export type Reader<T> = (data: unknown) => T | typeof INVALID | undefined

type Fields = Readonly<Record<string, unknown>>

function isFields(data: unknown): data is Fields {
  return typeof data === 'object' && data !== null
}

/** A host name without the dot at its end; the root is the empty name. */
function hostOf(data: unknown): string | undefined {
  return typeof data === 'string' ? data.replace(/\.$/, '') : undefined
}

/** An IPv4 or IPv6 address. */
export function readAddress(data: unknown): string | undefined {
  return typeof data === 'string' ? data : undefined
}

/** A host name, as PTR and NS have it. */
export function readHost(data: unknown): string | typeof INVALID | undefined {
  const host = hostOf(data)
  return host === undefined || isValidHostname(host) ? host : INVALID
}

/** RFC 7505 §3: only preference 0 with the root as host is a null MX. */
export function readMx(data: unknown): Mx | typeof INVALID | undefined {
  const preference = isFields(data) ? data['preference'] ?? 0 : undefined
  const host = isFields(data) ? hostOf(data['exchange']) : undefined
  if (typeof preference !== 'number' || host === undefined) return undefined
  if (host === '' ? preference !== 0 : !isValidHostname(host)) return INVALID
  return { preference, host }
}

/** RFC 2782: the root as target says that the service is not offered. */
export function readSrv(data: unknown): Srv | typeof INVALID | undefined {
  if (!isFields(data)) return undefined
  const host = hostOf(data['target'])
  const { priority = 0, weight = 0, port } = data
  if (host === undefined || typeof priority !== 'number') return undefined
  if (typeof weight !== 'number' || typeof port !== 'number') return undefined
  return host === '' || isValidHostname(host) ? { priority, weight, port, host } : INVALID
}

/** The strings of one TXT record, joined; bytes that are not UTF-8 become U+FFFD. */
export function readTxt(data: unknown): string | undefined {
  const parts: readonly unknown[] = Array.isArray(data) ? data : [data]
  return parts.map((part) => (part instanceof Uint8Array ? Buffer.from(part).toString('utf8') : String(part))).join('')
}

/** RFC 6698 §2.1. */
export function readTlsa(data: unknown): Tlsa | undefined {
  if (!isFields(data)) return undefined
  const { usage, selector, matchingType, certificate } = data
  if (typeof usage !== 'number' || typeof selector !== 'number' || typeof matchingType !== 'number') return undefined
  return certificate instanceof Uint8Array ? { usage, selector, matchingType, data: certificate } : undefined
}
