/**
 * A message as a mailbox holds it: header lines of the delivery in front, LF line ends, `>From ` where needed.
 *
 * Source: RFC 4155 (mbox); RFC 5321 §4.4 (Return-Path); local(8), virtual(8), pipe(8).
 *
 * @module
 */
import { externalAddress } from '#mail/address.ts'
import { ctime } from '#mail/date.ts'
import type { ContentPiece, OpenMessage } from '#queue/content.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { encodeRaw } from '#util/raw-text.ts'

/** Which lines of our own stand before the message. */
export type CopyOptions = {
  /** `From sender  date`, and `>From ` for body lines that look like it. */
  readonly fromLine: boolean
  readonly returnPath: boolean
  /** X-Original-To:, when the recipient has an original address. */
  readonly originalTo: boolean
  /** Delivered-To: this address (internal form); undefined leaves it out. */
  readonly deliveredTo: string | undefined
  /** An empty line at the end, which separates the messages of a mailbox file. */
  readonly blankLine: boolean
  /** Quote `From ` at the start of a line with `>`. */
  readonly quoteFrom: boolean
  /** What ends each line: any characters of one byte; default LF. */
  readonly eol?: string
  /** Double a leading dot, as SMTP does. */
  readonly dots?: boolean
}

export const MBOX_COPY = {
  fromLine: true, returnPath: true, originalTo: true, blankLine: true, quoteFrom: true,
} as const satisfies Partial<CopyOptions>
export const MAILDIR_COPY = {
  fromLine: false, returnPath: true, originalTo: true, blankLine: false, quoteFrom: false,
} as const satisfies Partial<CopyOptions>

const CHUNK_BYTES = 65_536
const DOT = 0x2e
const GREATER = 0x3e
const FROM = Buffer.from('From ')

/** The lines in front, as text with line ends. */
export function copyHead(sender: string, recipient: EnvelopeRecipient, options: CopyOptions, now: Date): string {
  const eol = options.eol ?? '\n'
  const from = externalAddress(sender)
  const lines: string[] = []
  if (options.fromLine) lines.push(`From ${from === '' ? 'MAILER-DAEMON' : from}  ${ctime(now)}`)
  if (options.returnPath) lines.push(`Return-Path: <${from}>`)
  if (options.originalTo && recipient.original !== '') {
    lines.push(
      `X-Original-To: ${externalAddress(recipient.original)}`
    )
  }
  if (options.deliveredTo !== undefined) lines.push(`Delivered-To: ${externalAddress(options.deliveredTo)}`)
  return lines.map((line) => line + eol).join('')
}

/** The whole copy in chunks that the caller may keep. */
export function* copyMessage(
  message: OpenMessage, dataOffset: number, head: string, options: CopyOptions,
): Generator<Uint8Array, void> {
  const eol = Buffer.from(options.eol ?? '\n', 'latin1')
  let out = new ByteWriter()
  out.append(encodeRaw(head))
  let lineStarts = true
  for (const piece of message.contentRecords(dataOffset)) {
    if (lineStarts) quote(out, piece, options)
    out.append(piece.data)
    lineStarts = piece.type === 'N'
    if (lineStarts) out.append(eol)
    if (out.length >= CHUNK_BYTES) {
      yield out.bytes()
      out = new ByteWriter()
    }
  }
  if (!lineStarts) out.append(eol)
  if (options.blankLine) out.append(eol)
  if (out.length > 0) yield out.bytes()
}

function quote(out: ByteWriter, { data }: ContentPiece, options: CopyOptions): void {
  if (options.quoteFrom && data.length >= FROM.length && FROM.equals(data.subarray(0, FROM.length))) {
    out.appendByte(GREATER)
  }
  if (options.dots === true && data[0] === DOT) out.appendByte(DOT)
}
