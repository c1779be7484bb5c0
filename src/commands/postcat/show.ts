/**
 * The listing of one queue file: envelope, header, body, in any combination.
 *
 * @module
 */
import { typedAs } from '#commands/called-as.ts'
import { Buffer } from 'node:buffer'
import { ctime } from '#mail/date.ts'
import { isHeaderLine } from '#mail/header.ts'
import type { Console } from '#commands/console.ts'
import { QueueFileError, RECORD, sizeNumbers, splitAttribute } from '#queue/record.ts'
import { recordName } from '#queue/record-name.ts'
import { RecordReader, type RecordSource } from '#queue/record-reader.ts'

/** What to show, and how. */
export type ShowOptions = {
  readonly envelope: boolean
  readonly header: boolean
  readonly body: boolean
  /** Before each record: its offset, its type in decimal, the name of the file. */
  readonly offsets: boolean
  readonly types: boolean
  readonly prefix: boolean
  /** Names of content records, pointers and padding too. */
  readonly verbose: boolean
  /** With `verbose`: in file order, pointers are not followed. */
  readonly raw: boolean
  /** First record; without it the file has to start like a queue file. */
  readonly start: number | undefined
}

/** A file that cannot be shown to its end; `message` is what Postfix's command says. */
export class ShowError extends Error {
  override readonly name = 'ShowError'
}

/** Bytes collected before they are written. */
const OUTPUT_BYTES = 65_536

const ENVELOPE_START_TYPES = new Set('MCTcFILSDRO/WVA>K<ionpw'.split('').map((c) => c.charCodeAt(0)))
const LF = Uint8Array.of(0x0a)

/** One queue file on its way to standard output. */
export class FileListing {
  readonly #name: string
  readonly #options: ShowOptions
  readonly #console: Console
  readonly #reader: RecordReader
  readonly #waiting: Uint8Array[] = []
  #waitingBytes = 0
  #segment: 'envelope' | 'header' | 'body' = 'envelope'
  #printing: boolean
  #previousType = 0
  /** From the size record; -1: not seen. */
  #contentSize = -1
  #dataOffset = -1

  constructor(name: string, source: RecordSource, options: ShowOptions, console: Console) {
    this.#name = name
    this.#options = options
    this.#console = console
    const plain = !options.verbose
    this.#reader = new RecordReader(source, options.start ?? 0, {
      followPointers: plain, skipPadding: plain, stopAtEnd: plain || !options.raw,
    })
    this.#printing = options.envelope
  }

  /** Shows the file. @throws {ShowError} */
  run(): void {
    try {
      if (this.#options.start === undefined && !this.#begin()) return
      while (this.#next()) { /* one record after another */ }
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
      this.#warn(error.message)
      throw new ShowError('record read error')
    } finally {
      this.#flush()
      this.#reader.close()
    }
  }

  /** The heading. `false`: this is no queue file. */
  #begin(): boolean {
    const first = this.#reader.peekByte()
    if (first === undefined) return false
    if (!ENVELOPE_START_TYPES.has(first)) {
      this.#warn('input is not a valid queue file')
      return false
    }
    if (this.#options.envelope) this.#write(`*** ENVELOPE RECORDS ${this.#name} ***\n`)
    return true
  }

  #next(): boolean {
    const offset = this.#reader.next
    const type = this.#reader.read()
    if (type === 0) return false
    if (type === RECORD.size) return this.#size(offset)
    if (type === RECORD.message) return this.#content(offset)
    if (type === RECORD.extracted) return this.#extracted(offset)
    if (type === RECORD.end) return this.#end(offset)
    if (this.#isEndOfHeader(type) && this.#startBody()) return true
    this.#record(type, offset)
    if (type === RECORD.pointer && !this.#options.raw) this.#jump()
    return true
  }

  #jump(): void {
    try {
      this.#reader.jump()
    } catch (error) {
      if (!(error instanceof QueueFileError)) throw error
      this.#warn(error.message)
      throw new ShowError('bad pointer record, or input is not seekable')
    }
  }

  #size(offset: number): boolean {
    if (this.#name.startsWith('maildrop/')) return this.#record(RECORD.size, offset)
    if (this.#contentSize >= 0 || this.#dataOffset >= 0) {
      this.#warnPlain('file contains multiple size records')
      return this.#record(RECORD.size, offset)
    }
    const text = this.#reader.text()
    const [size = -1, start = -1] = sizeNumbers(text)
    if (size <= 0 || start <= 0) this.#warnPlain(`invalid size record: ${text.slice(0, 100)}`)
    this.#contentSize = size
    this.#dataOffset = start
    if (this.#options.envelope) return this.#record(RECORD.size, offset)
    if (start < 0) throw new ShowError('seek error: Invalid argument')
    this.#reader.seek(start)
    this.#startHeader()
    return true
  }

  #startHeader(): void {
    this.#segment = 'header'
    this.#printing = this.#options.header
  }

  #content(offset: number): boolean {
    if (this.#segment !== 'envelope') this.#warn('out-of-order message content marker')
    if (this.#options.envelope) this.#marker('MESSAGE CONTENTS', RECORD.message, offset)
    this.#startHeader()
    if (!this.#options.header && !this.#options.body) this.#skipContent()
    return true
  }

  /** Goes on after the content, if its size is known. `false`: it has to be read. Going back might never end. */
  #skipContent(): boolean {
    const end = this.#dataOffset + this.#contentSize
    if (this.#contentSize <= 0 || this.#dataOffset <= 0 || end < this.#reader.next) return false
    this.#reader.seek(end)
    return true
  }

  #extracted(offset: number): boolean {
    if (this.#segment === 'envelope') this.#warn('out-of-order extracted segment marker')
    if (this.#options.envelope) this.#marker('HEADER EXTRACTED', RECORD.extracted, offset)
    this.#segment = 'envelope'
    this.#printing = this.#options.envelope
    return this.#options.envelope
  }

  #end(offset: number): boolean {
    if (this.#segment !== 'envelope') this.#warn('out-of-order message end marker')
    if (this.#options.envelope) this.#marker('MESSAGE FILE END', RECORD.end, offset)
    return this.#options.raw && this.#options.verbose
  }

  /** The body starts with the first line that is no header, be it the empty line or not. */
  #isEndOfHeader(type: number): boolean {
    if (this.#segment !== 'header' || this.#previousType === RECORD.textPart) return false
    if (type !== RECORD.text && type !== RECORD.textPart) return false
    const text = this.#reader.text()
    return !(isHeaderLine(text) || text.startsWith(' ') || text.startsWith('\t'))
  }

  /** `true`: the body is not shown, and the reader has gone past it. */
  #startBody(): boolean {
    this.#segment = 'body'
    this.#printing = this.#options.body
    return !this.#options.body && this.#skipContent()
  }

  #record(type: number, offset: number): true {
    if (!this.#printing) return true
    this.#head(type, offset)
    this.#value(type)
    const ended = type === RECORD.textPart && (this.#segment === 'envelope' || this.#endsParts)
    this.#previousType = ended ? 0 : type
    return true
  }

  #value(type: number): void {
    const text = this.#reader
    switch (type) {
      case RECORD.time: return this.#named(type, timeText(text.text()))
      case RECORD.warnTime: return this.#named(type, timeText(text.text()))
      case RECORD.textPart: return this.#part()
      case RECORD.text: return this.#bytes(this.#options.verbose ? 'regular_text: ' : '', true)
      case RECORD.attribute: return this.#attribute()
      default: return this.#string(type)
    }
  }

  /** Whether a part of a line is shown on a line of its own. */
  get #endsParts(): boolean {
    return this.#options.verbose || this.#options.offsets
  }

  #named(type: number, value: string): void {
    this.#write(`${recordName(type)}: ${value}\n`)
  }

  /** `L`: part of a line in the content, a filter elsewhere. */
  #part(): void {
    if (this.#segment === 'envelope') return this.#string(RECORD.filter)
    this.#bytes(this.#options.verbose ? 'unterminated_text: ' : '', this.#endsParts)
  }

  #attribute(): void {
    const text = this.#reader.text()
    const parts = splitAttribute(text)
    if (typeof parts === 'string') this.#warn(`malformed attribute: ${parts}: ${text.slice(0, 100)}`)
    else if (parts.name === 'create_time') this.#write(`create_time: ${timeText(parts.value)}\n`)
    else this.#write(`${recordName(RECORD.attribute)}: ${parts.name}=${parts.value}\n`)
  }

  #marker(title: string, type: number, offset: number): void {
    // A content line without an end of its own gets one.
    if (this.#previousType === RECORD.textPart) this.#write('\n')
    this.#head(type, offset)
    this.#write(`*** ${title} ${this.#name} ***\n`)
    this.#previousType = 0
    this.#flush()
  }

  #head(type: number, offset: number): void {
    const { prefix, offsets, types } = this.#options
    if (prefix) this.#write(`${this.#name}: `)
    if (offsets) this.#write(`${String(offset).padStart(9)} `)
    if (types) this.#write(`${String(type).padStart(3)} `)
  }

  /** Envelope values are strings of C: what follows a NUL is not shown. */
  #string(type: number): void {
    const end = this.#reader.data.indexOf(0)
    this.#write(`${recordName(type)}: `)
    this.#collect(Uint8Array.from(this.#reader.data.subarray(0, end < 0 ? undefined : end)))
    this.#collect(LF)
  }

  #bytes(name: string, ends: boolean): void {
    if (name !== '') this.#write(name)
    this.#collect(Uint8Array.from(this.#reader.data))
    if (ends) this.#collect(LF)
  }

  #write(text: string): void {
    this.#collect(Buffer.from(text))
  }

  #collect(bytes: Uint8Array): void {
    this.#waiting.push(bytes)
    this.#waitingBytes += bytes.length
    if (this.#waitingBytes >= OUTPUT_BYTES) this.#flush()
  }

  #flush(): void {
    if (this.#waitingBytes > 0) this.#console.out(Buffer.concat(this.#waiting))
    this.#waiting.length = 0
    this.#waitingBytes = 0
  }

  #warn(text: string): void {
    this.#warnPlain(`${this.#name}: ${text}`)
  }

  #warnPlain(text: string): void {
    this.#flush()
    this.#console.err(`${typedAs('postcat')}: warning: ${text}`)
  }
}

/** A number of seconds as a date of this time zone. */
function timeText(text: string): string {
  return ctime(new Date((Number.parseInt(text, 10) || 0) * 1000))
}
