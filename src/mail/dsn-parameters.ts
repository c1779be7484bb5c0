/**
 * The parameters of delivery status notifications: NOTIFY, RET, ENVID, ORCPT.
 *
 * Source: RFC 3461 §4.1 to §4.4; RFC 6533 §3 (utf-8 address type).
 */
import { asciiUpper } from '#util/ascii.ts'
import { decodeXtext, encodeXtext } from './xtext.ts'

/** NOTIFY as the bits that queue files hold. NEVER excludes the others. */
export const NOTIFY = { never: 1, success: 2, failure: 4, delay: 8 } as const

/** RET as the bits that queue files hold. */
export const RET = { full: 1, headers: 2 } as const

const NOTIFY_WORDS: ReadonlyMap<string, number> = new Map([
  ['NEVER', NOTIFY.never],
  ['SUCCESS', NOTIFY.success],
  ['FAILURE', NOTIFY.failure],
  ['DELAY', NOTIFY.delay],
])

/** Bits of a NOTIFY value; `undefined` when it is malformed. RFC 3461 §4.1: NEVER stands alone. */
export function parseNotify(text: string): number | undefined {
  let bits = 0
  for (const word of text.split(',')) {
    const bit = NOTIFY_WORDS.get(asciiUpper(word))
    if (bit === undefined) return undefined
    bits |= bit
  }
  return isNotify(bits) ? bits : undefined
}

/** Whether `bits` is a combination that RFC 3461 §4.1 allows; 0 (none given) is not. */
export function isNotify(bits: number): boolean {
  return bits === NOTIFY.never || (bits > 0 && bits <= 14 && (bits & NOTIFY.never) === 0)
}

/** The words of `bits`, as in `NOTIFY=SUCCESS,DELAY`. */
export function formatNotify(bits: number): string {
  return [...NOTIFY_WORDS].filter(([, bit]) => (bits & bit) !== 0).map(([word]) => word).join(',')
}

/** Bits of a RET value; `undefined` when it is malformed. */
export function parseRet(text: string): number | undefined {
  const word = asciiUpper(text)
  if (word === 'FULL') return RET.full
  return word === 'HDRS' ? RET.headers : undefined
}

/** An ORCPT value: address type as given, and the decoded address. */
export type OriginalRecipient = { readonly type: string; readonly address: string }

/** Reads `type;xtext`. `undefined` when it is malformed. */
export function parseOrcpt(text: string): OriginalRecipient | undefined {
  const semicolon = text.indexOf(';')
  if (semicolon < 1) return undefined
  const type = text.slice(0, semicolon)
  const value = text.slice(semicolon + 1)
  if (value === '' || !/^[!-~]+$/.test(type) || /[\s=]/.test(value)) return undefined
  const address = asciiUpper(type) === 'UTF-8' ? decodeUnicodeXtext(value) : decodeXtext(value)
  return address === undefined || address === '' ? undefined : { type, address }
}

/** The ORCPT value of an address in external form: `rfc822;` and xtext, or `utf-8;` for what is not ASCII. */
export function formatOrcpt(type: string, address: string): string {
  return asciiUpper(type) === 'UTF-8' ? `${type};${encodeUnicodeXtext(address)}` : `${type};${encodeXtext(address)}`
}

/** RFC 6533 §3: utf-8-addr-xtext holds `\x{HEX}` for awkward characters, the rest as UTF-8. */
function encodeUnicodeXtext(text: string): string {
  return text.replaceAll(
    /[\p{Cc} \\+=]/gu, (c) => String.raw`\x{${(c.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
  )
}

function decodeUnicodeXtext(text: string): string | undefined {
  let valid = true
  const decoded = text.replaceAll(/\\(?:x\{([0-9A-Fa-f]{1,6})\})?/g, (_all, hex?: string) => {
    const point = hex === undefined ? Number.NaN : Number.parseInt(hex, 16)
    if (Number.isNaN(point) || point > 0x10_ffff || point < 1) valid = false
    return valid ? String.fromCodePoint(point) : ''
  })
  return valid ? decoded : undefined
}
