/**
 * Tokens of structured header values such as Content-Type.
 *
 * Source: RFC 2045 §5.1 (tokens and specials), RFC 5322 §3.2.
 */

/** One token: a word, a quoted string without its quotes, or a special character. */
export type HeaderToken = { readonly kind: 'token' | 'quoted' | 'special'; readonly text: string }

/** RFC 2045 §5.1, tspecials. */
export const MIME_SPECIALS = '()<>@,;:\\"/[]?='

/** RFC 5322 §3.2.3, specials. */
export const MAIL_SPECIALS = '()<>@,;:\\".[]'

const WHITE_SPACE = ' \t\r\n'

/** Reads a header value item by item. */
export class HeaderScanner {
  readonly #text: string
  readonly #specials: string
  #at = 0

  constructor(text: string, specials: string) {
    this.#text = text
    this.#specials = specials
  }

  /**
   * The first `max` tokens up to `terminator`; further ones are skipped. Without
   * a terminator, reading stops after `max` tokens.
   *
   * @returns `undefined` when nothing is left.
   */
  next(max: number, terminator?: string): HeaderToken[] | undefined {
    const tokens: HeaderToken[] = []
    let ended = true
    while (this.#at < this.#text.length) {
      if (terminator === undefined && tokens.length >= max) break
      const c = this.#text.charAt(this.#at++)
      if (WHITE_SPACE.includes(c)) continue
      if (c === terminator) {
        ended = false
        break
      }
      const token = this.#token(c)
      if (token !== undefined && tokens.length < max) tokens.push(token)
    }
    return tokens.length === 0 && ended ? undefined : tokens
  }

  #token(c: string): HeaderToken | undefined {
    if (c === '(') {
      this.#skipComment()
      return undefined
    }
    if (c === '"') return { kind: 'quoted', text: this.#quoted() }
    if (this.#ends(c)) return { kind: 'special', text: c }
    let text = c
    while (this.#at < this.#text.length && !this.#ends(this.#text.charAt(this.#at))) {
      text += this.#text.charAt(this.#at++)
    }
    return { kind: 'token', text }
  }

  /** Whether `c` cannot be part of a word. */
  #ends(c: string): boolean {
    const code = c.charCodeAt(0)
    return code <= 32 || code === 127 || this.#specials.includes(c)
  }

  #skipComment(): void {
    let level = 1
    while (this.#at < this.#text.length) {
      const c = this.#text.charAt(this.#at++)
      if (c === '(') level++
      else if (c === ')' && --level === 0) return
      else if (c === '\\') this.#at++
    }
  }

  #quoted(): string {
    let text = ''
    while (this.#at < this.#text.length) {
      const c = this.#text.charAt(this.#at++)
      if (c === '"') break
      // RFC 5322 §2.2.3: a line end in a quoted string is folding, not content.
      if (c === '\n') text = text.trimEnd()
      else if (c === '\\') text += this.#text.charAt(this.#at++)
      else text += c
    }
    return text
  }
}
