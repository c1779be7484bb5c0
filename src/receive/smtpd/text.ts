/** Texts of replies, headers and log lines: what may stand in them. */
import { printable } from '#util/printable.ts'

/** What may not stand in a HELO name, since that goes into headers and log lines. */
const HELO_NEUTERED_REGEXP = /[ <>()\\";@]/g

/** A HELO name, or a value of XCLIENT or XFORWARD, made harmless for headers and log lines. */
export function neuter(name: string): string {
  return printable(name).replaceAll(HELO_NEUTERED_REGEXP, '?')
}

/** What a reply line holds at most, in characters, without its line end. RFC 5321 §4.5.3.1.5: 512 octets with it. */
const REPLY_CHARACTERS_MAX = 510

/** Text for a reply line: one line, nothing invisible, not too long. */
export function replyText(text: string): string {
  return printable(text, ' ').slice(0, REPLY_CHARACTERS_MAX)
}

const NAMED_ESCAPES: ReadonlyMap<number, string> = new Map([
  [7, '\\a'], [8, '\\b'], [9, '\\t'], [10, '\\n'], [11, '\\v'], [12, '\\f'], [13, '\\r'], [92, '\\\\'],
])

/** Bytes as in a string literal of C: `\r\n`, `\t`, octal for other bytes that are not printable ASCII. */
export function escapeInput(bytes: Uint8Array): string {
  let out = ''
  for (const byte of bytes) {
    const named = NAMED_ESCAPES.get(byte)
    if (named !== undefined) out += named
    else if (byte >= 32 && byte < 127) out += String.fromCharCode(byte)
    else out += `\\${byte.toString(8).padStart(3, '0')}`
  }
  return out
}
