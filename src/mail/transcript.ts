/**
 * What was said in a session, for notices to postmaster.
 *
 * Texts are kept by reference and nothing is made of them until a notice is sent, which is rare. A session that
 * says very much loses the start of its transcript: trouble is at the end.
 *
 * @module
 */
import { printable, printableAscii } from '#util/printable.ts'
import { encodeRaw } from '#util/raw-text.ts'
import { wrapLine } from './line-wrap.ts'

/** Lines that are kept; more than a transaction with as many recipients as Postfix takes has. */
const LINES_MAX = 5000
/** Characters that are kept: a client that sends long lines must not fill our memory. */
const CHARACTERS_MAX = 256 * 1024
/** How wide lines of a notice are, without the blank before them. */
const WIDTH = { width: 78, indent: 4 } as const
/** Stands for what must not be shown: a line of a SASL dialogue. */
export const HIDDEN = '[hidden]'

/** The lines of one session. */
export class Transcript {
  /** In turn: who said it, and what. */
  #entries: string[] = []
  #lines = 0
  #characters = 0
  #dropped = 0

  /** Lines so far. */
  get lines(): number {
    return this.#lines
  }

  /** We said this; several lines are separated by CR LF or LF. */
  out(text: string): void {
    this.#add('Out: ', text)
  }

  /** The other side said this. */
  in(text: string): void {
    this.#add('In:  ', text)
  }

  /** Forgets everything. */
  clear(): void {
    if (this.#lines === 0) return
    this.#entries = []
    this.#lines = 0
    this.#characters = 0
    this.#dropped = 0
  }

  /**
   * The lines as a notice shows them, each with a blank before it: nothing of what a stranger said can be mistaken
   * for a header or a boundary.
   *
   * @param utf8 Characters beyond ASCII are shown.
   */
  show(utf8: boolean): string[] {
    const shown: string[] = this.#dropped === 0 ? [] : [` (${this.#dropped} earlier lines are left out)`]
    for (let i = 0; i < this.#entries.length; i += 2) {
      for (const line of (this.#entries[i + 1] ?? '').split(/\r?\n/)) {
        const text = neutral(`${this.#entries[i]}${line}`, utf8)
        for (const part of wrapLine(text, WIDTH)) shown.push(` ${part}`)
      }
    }
    return shown
  }

  #add(direction: string, text: string): void {
    this.#entries.push(direction, text)
    this.#lines += lineCount(text)
    this.#characters += text.length
    if (this.#lines > LINES_MAX || this.#characters > CHARACTERS_MAX) this.#drop()
  }

  /** Drops the older half: rarely, rather than one line each time. */
  #drop(): void {
    const texts = this.#entries.length / 2
    const dropped = this.#entries.splice(0, 2 * Math.ceil(texts / 2))
    for (let i = 1; i < dropped.length; i += 2) {
      const text = dropped[i] ?? ''
      this.#lines -= lineCount(text)
      this.#dropped += lineCount(text)
      this.#characters -= text.length
    }
  }
}

function lineCount(text: string): number {
  let count = 1
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count++
  return count
}

/** A byte that is no character stands in a string as half a surrogate pair. */
const NO_CHARACTER_REGEXP = /[\ud800-\udfff]/gu

/** Nothing in it that a terminal or a mail reader would act upon. */
function neutral(text: string, utf8: boolean): string {
  if (utf8) return printable(text).replaceAll(NO_CHARACTER_REGEXP, '?')
  // Each byte is shown, as it was sent.
  return printableAscii(Buffer.from(encodeRaw(text)).toString('latin1'))
}

/**
 * An AUTH command as a transcript may show it. RFC 4954 §4: the initial response of most mechanisms is a password,
 * only encoded.
 */
export function withoutSecret(command: string): string {
  const [, start, rest] = /^(\s*AUTH\s+\S+\s+)(.*)$/is.exec(command) ?? []
  return start === undefined || rest === '' ? command : start + HIDDEN
}
