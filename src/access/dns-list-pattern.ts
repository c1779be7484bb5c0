/**
 * Patterns of IPv4 addresses, as DNS lists use them for their answers:
 * `127.0.0.2`, `127.0.0.[2..11]`, `127.0.[1;3].[4..8;10]`.
 *
 * Source: postconf(5), reject_rbl_client, postscreen_dnsbl_sites.
 */

/** The numbers that one field of an address may have, as inclusive ranges. */
type Field = readonly (readonly [from: number, to: number])[]

/** A pattern, or what is wrong with it. */
export type AddressPattern =
  | { readonly kind: 'ok'; readonly fields: readonly Field[] }
  | { readonly kind: 'error'; readonly reason: string }

/** Reads a pattern; brackets around the whole of it are taken off. */
export function parseAddressPattern(text: string): AddressPattern {
  const pattern = stripOuter(text)
  if (pattern === undefined) return { kind: 'error', reason: 'missing "]" character' }
  if (pattern === '') return { kind: 'error', reason: 'empty address pattern' }
  const fields: Field[] = []
  let rest = pattern
  for (let i = 0; i < 4; i++) {
    const match = (i === 0 ? /^(?:(\d+)|\[([^\]]*)\])/ : /^\.(?:(\d+)|\[([^\]]*)\])/).exec(rest)
    const field = match === null ? undefined : parseField(match[1], match[2])
    if (match === null || field === undefined) return wrong(pattern, rest)
    fields.push(field)
    rest = rest.slice(match[0].length)
  }
  return rest === ''
    ? { kind: 'ok', fields }
    : { kind: 'error', reason: `garbage after pattern at "${pattern.slice(0, -rest.length)}>${rest}<"` }
}

function wrong(pattern: string, rest: string): AddressPattern {
  const done = pattern.slice(0, pattern.length - rest.length)
  return {
    kind: 'error', reason: `need decimal number 0..255 or "[" at "${done}>${rest.slice(0, 1)}<${rest.slice(1)}"`,
  }
}

function stripOuter(text: string): string | undefined {
  if (!text.startsWith('[')) return text
  let level = 0
  for (let i = 0; i < text.length; i++) {
    if (text.charAt(i) === '[') level++
    else if (text.charAt(i) === ']' && --level === 0) return i === text.length - 1 ? text.slice(1, -1) : text
  }
  return undefined
}

function parseField(number: string | undefined, list: string | undefined): Field | undefined {
  if (number !== undefined) return Number(number) > 255 ? undefined : [[Number(number), Number(number)]]
  const ranges = (list ?? '').split(';').map((item) => /^(\d+)(?:\.\.(\d+))?$/.exec(item))
  const field: [number, number][] = []
  for (const range of ranges) {
    if (range === null) return undefined
    const from = Number(range[1])
    const to = range[2] === undefined ? from : Number(range[2])
    if (from > to || to > 255) return undefined
    field.push([from, to])
  }
  return field
}

/** Whether an IPv4 address fits a pattern. */
export function matchesPattern(fields: readonly Field[], address: string): boolean {
  const octets = address.split('.').map(Number)
  return octets.length === 4 && fields.every((field, i) => {
    const octet = octets[i] ?? -1
    return field.some(([from, to]) => octet >= from && octet <= to)
  })
}
