/**
 * Perl-compatible expressions as JavaScript expressions, where there is no libpcre2.
 *
 * Only what means the same in both is translated; anything else is refused, so
 * that no rule ever matches differently from what the admin wrote.
 *
 * Source: pcre2pattern(3); ECMA-262 §22.2.
 */
import { ExpressionError, NO_MATCH, type Match, type Matcher, type Subject } from './matcher.ts'

/** `\Z` and `$`: the end, or before a newline at the end. JavaScript's `$` is the very end. */
const END_OR_NEWLINE = '(?=\\n?(?![\\s\\S]))'
const VERY_END = '(?![\\s\\S])'
const VERY_START = '(?<![\\s\\S])'

/** POSIX classes, inside brackets. */
const CLASSES: Readonly<Record<string, string>> = {
  alpha: 'a-zA-Z', digit: '0-9', alnum: 'a-zA-Z0-9', upper: 'A-Z', lower: 'a-z', xdigit: '0-9A-Fa-f',
  space: '\\t-\\r ', blank: ' \\t', cntrl: '\\0-\\x1f\\x7f', print: ' -~', graph: '!-~', word: '\\w',
  punct: '!-\\/:-@\\[-`\\{-~', ascii: '\\0-\\x7f',
}

/** Escapes that are one thing in both languages. */
const SAME_ESCAPES = /[dDwWbBtnrfv]/
const SAME_SPACE = '[\\t-\\r ]'
const NOT_SPACE = '[^\\t-\\r ]'

function refuse(what: string): never {
  throw new ExpressionError(`expression needs libpcre2, which cannot be loaded: ${what}`)
}

class Translator {
  readonly #source: string
  readonly #options: ReadonlySet<string>
  #at = 0

  constructor(source: string, options: ReadonlySet<string>) {
    this.#source = source
    this.#options = options
  }

  run(): string {
    let out = ''
    while (this.#at < this.#source.length) out += this.#atom()
    return out
  }

  #take(pattern: RegExp): RegExpExecArray | undefined {
    const sticky = new RegExp(pattern, 'y')
    sticky.lastIndex = this.#at
    const match = sticky.exec(this.#source)
    if (match === null) return undefined
    this.#at = sticky.lastIndex
    return match
  }

  #atom(): string {
    const c = this.#source.charAt(this.#at)
    if (c === '\\') return this.#escape()
    if (c === '[') return this.#brackets()
    if (c === '(') return this.#group()
    if (/[*+?{]/.test(c)) return this.#quantifier()
    this.#at++
    if (this.#options.has('x') && /[\s#]/.test(c)) return refuse('option x with white space or comments')
    if (c === '$' && !this.#options.has('m')) return this.#options.has('E') ? VERY_END : END_OR_NEWLINE
    // JavaScript ends lines at \r and U+2028 also: say what PCRE's default newline says.
    if (c === '$') return '(?=\\n|(?![\\s\\S]))'
    if (c === '^' && this.#options.has('m')) return '(?<=\\n(?=[\\s\\S])|(?<![\\s\\S]))'
    if (c === '.') return this.#options.has('s') ? '[\\s\\S]' : '[^\\n]'
    return /[\]}/]/.test(c) ? `\\${c}` : c
  }

  #escape(): string {
    const escaped = this.#take(/\\([^a-zA-Z0-9]|[a-zA-Z]|[1-9])/)?.[1]
    if (escaped === undefined) return this.#take(/\\x[\da-fA-F]{2}/)?.[0] ?? refuse('numeric escape')
    if (escaped === 'A') return VERY_START
    if (escaped === 'z') return VERY_END
    if (escaped === 'Z') return END_OR_NEWLINE
    if (escaped === 's') return SAME_SPACE
    if (escaped === 'S') return NOT_SPACE
    if (escaped === 'h') return '[ \\t\\xa0]'
    if (escaped === 'x') return `\\x${this.#take(/[\da-fA-F]{2}/)?.[0] ?? refuse('\\x')}`
    if (SAME_ESCAPES.test(escaped)) return `\\${escaped}`
    if (/[a-zA-Z1-9]/.test(escaped)) return refuse(`\\${escaped}`)
    return /[\^$\\.*+?()[\]{}|/]/.test(escaped) ? `\\${escaped}` : escaped
  }

  #brackets(): string {
    this.#at++
    let out = this.#take(/\^/) === undefined ? '[' : '[^'
    if (this.#take(/\]/) !== undefined) out += '\\]'
    while (this.#take(/\]/) === undefined) {
      const named = this.#take(/\[:(\^?)(\w+):\]/)
      if (named !== undefined) {
        const members = named[1] === '' ? CLASSES[named[2] ?? ''] : undefined
        out += members ?? refuse(named[0])
      } else if (this.#source.charAt(this.#at) === '\\') {
        out += this.#bracketEscape()
      } else {
        const c = this.#take(/[^]/)?.[0] ?? refuse('missing ]')
        out += c === '[' ? '\\[' : c
      }
    }
    return `${out}]`
  }

  #bracketEscape(): string {
    const escaped = this.#take(/\\(x[\da-fA-F]{2}|[dDwWtnrf]|[^a-zA-Z0-9])/)?.[1] ?? refuse('escape in brackets')
    return /[a-zA-Z^\\\]-]/.test(escaped.charAt(0)) ? `\\${escaped}` : escaped.replace('[', '\\[')
  }

  #group(): string {
    const plain = this.#take(/\((?:\?(?::|=|!|<=|<!)|(?![?*]))/)
    if (plain !== undefined) return plain[0]
    return refuse(`group ${this.#source.slice(this.#at, this.#at + 4)}`)
  }

  #quantifier(): string {
    const match = this.#take(/([*+?]|\{\d+(?:,\d*)?\})([?+]?)/)
    if (match === undefined) {
      this.#at++
      return '\\{'
    }
    if (match[2] === '+') return refuse('possessive quantifier')
    if (!this.#options.has('U')) return match[0]
    return `${match[1]}${match[2] === '?' ? '' : '?'}`
  }
}

class TranslatedMatcher implements Matcher {
  readonly groupCount: number
  readonly #expression: RegExp

  constructor(expression: RegExp) {
    this.#expression = expression
    this.groupCount = (new RegExp(`${expression.source}|`, 'u').exec('')?.length ?? 1) - 1
  }

  match({ text }: Subject): Match {
    const match = this.#expression.exec(text)
    return match === null ? NO_MATCH : { kind: 'match', groups: (index) => match[index] ?? '' }
  }

  free(): void {}
}

/**
 * Translates and compiles an expression.
 *
 * @throws {ExpressionError} It is wrong, or has something that JavaScript has not.
 */
export function compileTranslated(expression: string, options: ReadonlySet<string>): Matcher {
  const body = new Translator(expression, options).run()
  const anchored = options.has('A') ? `${VERY_START}(?:${body})` : body
  try {
    return new TranslatedMatcher(new RegExp(anchored, options.has('i') ? 'iu' : 'u'))
  } catch (error) {
    throw new ExpressionError(`error in regex: ${error instanceof Error ? error.message : String(error)}`)
  }
}
