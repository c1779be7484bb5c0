/**
 * MIME structure of a message, line by line: which line is a header of what,
 * which is body. One pass, bounded memory, and nothing is lost: what goes in
 * comes out, unless a downgrade to 7 bits is asked for.
 *
 * Kept simple so that it holds for message types that are not invented yet: it
 * knows headers and bodies, that multipart/anything has parts with headers, and
 * that message/rfc822 starts with headers of its own.
 *
 * Headers are text as `decodeRaw()` makes it: `encodeRaw()` gives the same bytes
 * back. A header of several lines holds `\n` between them.
 *
 * Source: RFC 2045 §6, RFC 2046 §5, RFC 5322 §2.2.
 */
import { isAscii } from '#util/ascii.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { headerInfo, normalizeHeaderLine } from './header.ts'
import type { HeaderInfo } from './header.ts'
import { isEncodingAllowed, parseContentType, parseEncoding, plainEntity } from './mime-entity.ts'
import type { ContentType, Entity, Subtype } from './mime-entity.ts'
import { QuotedPrintableEncoder } from './quoted-printable.ts'

/** Where a header stands: at the top of the message, after a boundary, at the top of a nested message. */
export type HeaderRegion = 'primary' | 'multipart' | 'nested'

/** What can be wrong with a message. Each is reported once, and only when asked for. */
export type MimeError =
  | 'nesting'
  | 'truncatedHeader'
  | '8bitInHeader'
  | '8bitIn7bitBody'
  | 'encodingDomain'
  | 'nonEmptyEndOfHeader'

/** The texts of errors, the most serious first. */
const ERROR_TEXTS: ReadonlyMap<MimeError, string> = new Map([
  ['nesting', 'MIME nesting exceeds safety limit'],
  ['truncatedHeader', 'message header length exceeds safety limit'],
  ['8bitInHeader', 'improper use of 8-bit data in message header'],
  ['8bitIn7bitBody', 'improper use of 8-bit data in message body'],
  ['encodingDomain', 'invalid message/* or multipart/* encoding domain'],
  ['nonEmptyEndOfHeader', 'primary header was terminated with non-empty line'],
])

/** The text of the most serious of some errors; `undefined` when there are none. */
export function mimeErrorText(errors: ReadonlySet<MimeError>): string | undefined {
  for (const [error, text] of ERROR_TEXTS) if (errors.has(error)) return text
  return undefined
}

/** Where the pieces of a message go. Offsets count from the start of the header block or body; a line end is 1. */
export type MimeOutput = {
  header(region: HeaderRegion, info: HeaderInfo | undefined, header: string, offset: number): void
  /** After the last primary header, before the first body line. */
  headerEnd?(): void
  /** A body line, or with `complete` false a piece of one. The empty line after headers is a body line. */
  body(line: Uint8Array, complete: boolean, offset: number): void
  bodyEnd?(): void
  error?(error: MimeError, text: string): void
}

/** What to look for, and limits. */
export type MimeOptions = {
  /** No attention to MIME: everything after the primary headers is body. */
  readonly disableMime?: boolean
  /** Also headers in message/partial and message/external-body; not with `downgrade`. */
  readonly recurseAllMessages?: boolean
  /** Turn 8-bit content into quoted-printable. */
  readonly downgrade?: boolean
  readonly report?: ReadonlySet<MimeError>
  /** `header_size_limit`: bytes of one header. */
  readonly headerBytesMax: number
  /** `mime_nesting_limit`: levels of multipart. */
  readonly nestingMax: number
  /** `mime_boundary_length_limit`: bytes of a boundary that are compared. */
  readonly boundaryBytesMax: number
}

type Level = { readonly boundary: string; readonly type: ContentType; readonly subtype: Subtype }

const NOTHING: ReadonlySet<MimeError> = new Set()
const EMPTY = new Uint8Array(0)
const DASH = 45

const has8bit = (bytes: Uint8Array): boolean => bytes.some((byte) => byte > 127)
const isBlank = (byte: number | undefined): boolean => byte === 32 || byte === 9

/** Takes the lines of a message and gives headers and body lines to an output. */
export class MimeParser {
  readonly #out: MimeOutput
  readonly #options: MimeOptions
  readonly #report: ReadonlySet<MimeError>
  readonly #errors = new Set<MimeError>()
  readonly #encoder: QuotedPrintableEncoder
  #region: HeaderRegion | 'body' = 'primary'
  #entity = plainEntity('text', 'plain')
  #levels: Level[] = []
  /** The header that is being collected. */
  #header: string | undefined
  #headerBytes = 0
  #previousComplete = true
  #headerOffset = 0
  #bodyOffset = 0

  constructor(output: MimeOutput, options: MimeOptions) {
    this.#out = output
    this.#options = options
    this.#report = options.report ?? NOTHING
    this.#encoder = new QuotedPrintableEncoder((line) => this.#emitBody(line, true))
  }

  /** Errors found so far, of the kinds asked for. */
  get errors(): ReadonlySet<MimeError> {
    return this.#errors
  }

  /**
   * Whether what follows is body whatever it holds, up to a boundary, so that lines need not be given to the parser;
   * not within a line.
   */
  get onlyBody(): boolean {
    if (!this.#previousComplete || this.#region !== 'body' || this.#downgrades()) return false
    return !this.#report.has('8bitIn7bitBody') || this.#entity.encoding !== '7bit'
  }

  /** Whether a line that starts with `--` may be a boundary: the parser has to see it. RFC 2046 §5.1.1. */
  get hasBoundaries(): boolean {
    return this.#levels.length > 0
  }

  /**
   * Takes a line without its line end, or a piece of a line.
   *
   * @param complete Whether the line ends here.
   */
  line(bytes: Uint8Array, complete: boolean): void {
    if (this.#region !== 'body' && this.#takeHeaderLine(bytes)) {
      this.#previousComplete = complete
      return
    }
    this.#bodyLine(bytes, complete)
    this.#previousComplete = complete
  }

  /** Ends the message: what was collected comes out. Input without a final line end gets one. */
  end(): void {
    if (!this.#previousComplete) this.line(EMPTY, true)
    if (this.#region !== 'body') {
      this.#finishHeader()
      this.#endHeaders(undefined)
      this.#enter('body')
    }
    this.#out.bodyEnd?.()
  }

  /** Whether the line is part of a header block; otherwise it ends the block and is body. */
  #takeHeaderLine(bytes: Uint8Array): boolean {
    if (this.#header !== undefined) {
      if (!this.#previousComplete) return this.#extendHeader(bytes, '')
      if (isBlank(bytes[0])) return this.#extendHeader(bytes, '\n')
      this.#finishHeader()
    }
    const start = normalizeHeaderLine(decodeRaw(bytes))
    if (start !== undefined) {
      this.#header = start
      this.#headerBytes = bytes.length
      return true
    }
    this.#endHeaders(bytes)
    this.#startBody(bytes)
    return false
  }

  #extendHeader(bytes: Uint8Array, separator: string): true {
    const header = this.#header ?? ''
    if (this.#headerBytes >= this.#options.headerBytesMax) {
      this.#fail('truncatedHeader', header)
      return true
    }
    this.#header = header + separator + decodeRaw(bytes)
    this.#headerBytes += separator.length + bytes.length
    return true
  }

  #finishHeader(): void {
    const header = this.#header
    if (header === undefined) return
    this.#header = undefined
    this.#previousComplete = true
    const info = headerInfo(header)
    if (this.#options.disableMime !== true) this.#learn(info, header)
    if (this.#report.has('8bitInHeader') && !isAscii(header)) this.#fail('8bitInHeader', header)
    // With a downgrade the right encoding is known only at the end of the headers; it is written there.
    const held = info?.key === 'content-transfer-encoding' && this.#downgrades()
    if (!held) this.#emitHeader(info, header)
  }

  #learn(info: HeaderInfo | undefined, header: string): void {
    if (info?.key === 'content-type') this.#learnType(header)
    if (info?.key === 'content-transfer-encoding') this.#entity = { ...this.#entity, ...parseEncoding(header) }
  }

  #learnType(header: string): void {
    const parsed = parseContentType(header)
    if (parsed === undefined) return
    const { type, subtype, boundaries, parts } = parsed
    this.#entity = { ...this.#entity, type, subtype }
    for (const boundary of boundaries) {
      // Postfix lets two more levels pass than the parameter says.
      if (this.#levels.length > this.#options.nestingMax + 1) this.#fail('nesting', header)
      else this.#levels.push({ ...parts, boundary: boundary.slice(0, this.#options.boundaryBytesMax) })
    }
  }

  /** @param bytes The line that ends the headers; `undefined` at the end of the message. */
  #endHeaders(bytes: Uint8Array | undefined): void {
    if (this.#downgrades()) {
      const composite = this.#entity.type === 'message' || this.#entity.type === 'multipart'
      this.#emitHeader(undefined, `Content-Transfer-Encoding: ${composite ? '7bit' : 'quoted-printable'}`)
    }
    if (this.#region === 'primary') {
      if (bytes !== undefined && bytes.length > 0) this.#fail('nonEmptyEndOfHeader', decodeRaw(bytes))
      this.#out.headerEnd?.()
    }
    if (!isEncodingAllowed(this.#entity)) this.#fail('encodingDomain', this.#entity.encoding)
  }

  /** What follows the headers: a nested message, the text before the first part, or plain body. */
  #startBody(bytes: Uint8Array): void {
    if (bytes.length > 0) {
      // Headers without an empty line after them: it is added.
      this.#enter('body')
      this.#emitBody(EMPTY, true)
      return
    }
    const { type, subtype } = this.#entity
    this.#bodyOffset = 0
    if (type === 'message' && (subtype === 'rfc822' || this.#options.recurseAllMessages === true)) {
      this.#enter('nested', plainEntity('text', 'plain'))
    } else if (type === 'multipart') {
      this.#enter('body', plainEntity('other', 'other'))
    } else {
      this.#enter('body')
    }
  }

  #enter(region: HeaderRegion | 'body', next?: Entity): void {
    this.#region = region
    if (next !== undefined) this.#entity = next
    if (region === 'body') this.#bodyOffset = 0
    else this.#headerOffset = 0
  }

  #bodyLine(bytes: Uint8Array, complete: boolean): void {
    if (this.#report.has('8bitIn7bitBody') && this.#entity.encoding === '7bit' && has8bit(bytes)) {
      this.#fail('8bitIn7bitBody', decodeRaw(bytes))
    }
    if (this.#levels.length > 0 && this.#previousComplete && bytes[0] === DASH && bytes[1] === DASH) {
      this.#boundary(decodeRaw(bytes))
    }
    if (this.#downgrades()) this.#encoder.write(bytes, complete)
    else this.#emitBody(bytes, complete)
  }

  /** What follows the boundary on its line does not matter: programs leave all sorts of things there. */
  #boundary(line: string): void {
    for (let i = this.#levels.length - 1; i >= 0; i--) {
      const level = this.#levels[i]
      if (level === undefined || !line.startsWith(level.boundary, 2)) continue
      this.#levels.length = i + 1
      if (line.startsWith('--', 2 + level.boundary.length)) {
        this.#levels.length = i
        this.#enter('body', plainEntity('other', 'other'))
      } else {
        this.#enter('multipart', plainEntity(level.type, level.subtype))
      }
      return
    }
  }

  #downgrades(): boolean {
    return this.#options.downgrade === true && this.#entity.domain !== '7bit'
  }

  #emitHeader(info: HeaderInfo | undefined, header: string): void {
    if (this.#region === 'body') return
    this.#out.header(this.#region, info, header, this.#headerOffset)
    this.#headerOffset += header.length + 1
  }

  #emitBody(line: Uint8Array, complete: boolean): void {
    this.#out.body(line, complete, this.#bodyOffset)
    this.#bodyOffset += line.length + 1
  }

  #fail(error: MimeError, text: string): void {
    if (!this.#report.has(error) || this.#errors.has(error)) return
    this.#errors.add(error)
    this.#out.error?.(error, text)
  }
}
