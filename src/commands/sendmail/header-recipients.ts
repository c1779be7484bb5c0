/**
 * `sendmail -t`: recipients from the headers of a message, which passes through as it is.
 *
 * With any Resent- recipient header only those count.
 *
 * Source: sendmail(1), -t; RFC 5322 §3.6.6 (Resent- headers).
 *
 * @module
 */
import { internalAddress } from '#mail/address.ts'
import { addressesOf } from '#mail/address-list.ts'
import { headerValue, type HeaderInfo } from '#mail/header.ts'
import { MimeParser, mimeErrorText, type MimeError, type HeaderRegion } from '#mail/mime.ts'
import { RECORD } from '#queue/record.ts'
import { encodeRaw } from '#util/raw-text.ts'

export type HeaderRecipientsOptions = {
  readonly lineBytesMax: number
  readonly headerBytesMax: number
  /** Gets the records of the message. */
  readonly record: (type: number, payload: Uint8Array) => void
  /** A header is too long to be sure of its recipients. */
  readonly fail: (text: string) => never
}

const REPORTED: ReadonlySet<MimeError> = new Set(['truncatedHeader'])

/** Reads one message. */
export class HeaderRecipients {
  readonly #options: HeaderRecipientsOptions
  readonly #parser: MimeParser
  readonly #recipients: string[] = []
  readonly #resent: string[] = []
  #hasResent = false
  /** Whether the last line that did not go through the parser was complete. */
  #bypassComplete = true

  constructor(options: HeaderRecipientsOptions) {
    this.#options = options
    const { headerBytesMax } = options
    this.#parser = new MimeParser({
      header: (region, info, header) => this.#header(region, info, header),
      body: (line, complete) => options.record(complete ? RECORD.text : RECORD.textPart, line),
    }, { disableMime: true, report: REPORTED, headerBytesMax, nestingMax: 1, boundaryBytesMax: 1 })
  }

  /** Takes a line without its end, or with `complete` false a piece of one. */
  line(bytes: Uint8Array, complete: boolean): void {
    if (this.#parser.onlyBody) {
      this.#bypassComplete = complete
      this.#options.record(complete ? RECORD.text : RECORD.textPart, bytes)
      return
    }
    this.#parser.line(bytes, complete)
    this.#check()
  }

  /** Ends the message. @returns Recipients in internal form. */
  end(): readonly string[] {
    // The last line gets an end.
    if (!this.#bypassComplete) this.#parser.line(new Uint8Array(0), true)
    this.#parser.end()
    this.#check()
    return this.#hasResent ? this.#resent : this.#recipients
  }

  #check(): void {
    const text = mimeErrorText(this.#parser.errors)
    if (text !== undefined) this.#options.fail(text)
  }

  #header(region: HeaderRegion, info: HeaderInfo | undefined, header: string): void {
    if (region === 'primary' && info?.kind === 'recipient' && info.extract) this.#extract(info, header)
    for (const line of header.split('\n')) this.#output(encodeRaw(line))
  }

  #extract(info: HeaderInfo, header: string): void {
    if (this.#hasResent && !info.resent) return
    if (info.resent) this.#hasResent = true
    const list = info.resent ? this.#resent : this.#recipients
    list.push(...addressesOf(headerValue(header)).map(internalAddress))
  }

  #output(line: Uint8Array): void {
    const { lineBytesMax, record } = this.#options
    let start = 0
    for (; line.length - start > lineBytesMax; start += lineBytesMax) {
      record(RECORD.textPart, line.subarray(start, start + lineBytesMax))
    }
    record(RECORD.text, line.subarray(start))
  }
}
