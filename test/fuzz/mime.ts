/** Messages of any sort through the MIME parser: nothing is lost, limits hold. */
import { MimeParser } from '#mail/mime.ts'
import type { MimeError, MimeOptions } from '#mail/mime.ts'
import { encodeRaw } from '#util/raw-text.ts'

const REPORT: ReadonlySet<MimeError> = new Set([
  'nesting', 'truncatedHeader', '8bitInHeader', '8bitIn7bitBody', 'encodingDomain', 'nonEmptyEndOfHeader',
])

const LIMITS = { headerBytesMax: 100_000, nestingMax: 20, boundaryBytesMax: 100 }

/** Runs a message through, and counts the bytes that come out, line ends included. */
function run(lines: readonly Buffer[], options: MimeOptions): number {
  let octets = 0
  const parser = new MimeParser({
    header: (_region, _info, header) => {
      octets += encodeRaw(header).length + 1
    },
    body: (line, complete) => {
      octets += line.length + Number(complete)
    },
  }, options)
  for (const [i, line] of lines.entries()) parser.line(line, i % 7 !== 6)
  parser.end()
  return octets
}

/** @throws {Error} When bytes get lost. */
export function target(bytes: Uint8Array): void {
  const lines = splitLines(Buffer.from(bytes))
  run(lines, { ...LIMITS, report: REPORT, downgrade: true })
  const input = lines.reduce((sum, line) => sum + line.length, 0)
  // Blanks before the colon of a header go; an empty line may come in.
  const output = run(lines, { ...LIMITS, report: REPORT, recurseAllMessages: true })
  const blanks = lines.reduce(
    (sum, line) => sum + (/^[!-9;-~]+([ \t]+):/.exec(line.toString('latin1'))?.[1]?.length ?? 0), 0,
  )
  if (output < input - blanks) throw new Error(`Cannot account for ${input - blanks - output} bytes`)
}

function splitLines(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let start = 0
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end))
    start = end + 1
  }
  lines.push(bytes.subarray(start))
  return lines
}
