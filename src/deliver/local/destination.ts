/**
 * Destinations in aliases, .forward files and :include: files.
 *
 * Pure. Source: aliases(5).
 *
 * @module
 */
import { internalAddress } from '#mail/address.ts'
import { addressesOf } from '#mail/address-list.ts'

export type Destination =
  /** Internal form; may lack a domain. */
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'command'; readonly command: string }
  /** Ends in a slash for a Maildir. */
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'include'; readonly path: string }

const INCLUDE = ':include:'

/** The destinations of one line or alias value, in order; a `#` starts a comment where `comments`. */
export function parseDestinations(text: string, comments = false): Destination[] {
  return splitList(comments ? withoutComment(text) : text).flatMap(parseOne)
}

function withoutComment(line: string): string {
  return /^\s*#/.test(line) ? '' : line
}

/** Cuts at commas outside quotes; quotes around a whole command stay with it. */
function splitList(text: string): string[] {
  const parts: string[] = []
  let part = ''
  let quoted = false
  for (let i = 0; i < text.length; i += 1) {
    const c = text.charAt(i)
    if (c === '\\') {
      part += c + text.charAt(i + 1)
      i += 1
    } else if (c === ',' && !quoted) {
      parts.push(part)
      part = ''
    } else {
      if (c === '"') quoted = !quoted
      part += c
    }
  }
  return [...parts, part].map((each) => each.trim()).filter((each) => each !== '')
}

function parseOne(text: string): Destination[] {
  const plain = unquote(text)
  if (plain.startsWith('|')) return [{ kind: 'command', command: plain.slice(1).trim() }]
  if (plain.toLowerCase().startsWith(INCLUDE)) return [{ kind: 'include', path: plain.slice(INCLUDE.length).trim() }]
  if (plain.startsWith('/') && !/@/.test(plain.slice(plain.lastIndexOf('/')))) return [{ kind: 'file', path: plain }]
  if (plain.startsWith('~/')) return [{ kind: 'file', path: plain }]
  // A backslash in front of a user name says: the mailbox, whatever aliases say.
  if (/^\\[\w.+-]+$/.test(text)) return [{ kind: 'address', address: text }]
  return addressesOf(text).map((address) => ({ kind: 'address', address: internalAddress(address) }))
}

/** `"|command with, comma"` and `"/file name"` are quoted as a whole. */
function unquote(text: string): string {
  if (!text.startsWith('"') || !text.endsWith('"') || text.length < 2) return text
  return text.slice(1, -1).replaceAll(/\\(.)/g, '$1')
}
