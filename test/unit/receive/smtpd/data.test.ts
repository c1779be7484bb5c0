/** The decoder of message content: see src/receive/smtpd/data.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readRecords } from '#queue/record.ts'
import { DataDecoder, type BareNewlineAction, type DataOptions } from '#receive/smtpd/data.ts'

const OPTIONS: DataOptions = { lineBytesMax: 2048, messageBytesMax: 0, bareNewline: 'normalize' }

type Decoded = { readonly records: readonly string[]; readonly rest: string; readonly decoder: DataDecoder }

function decode(mode: 'data' | 'bdat', chunks: readonly string[], options: Partial<DataOptions> = {}): Decoded {
  const parts: Uint8Array[] = []
  const decoder = new DataDecoder(mode, { ...OPTIONS, ...options }, (records) => parts.push(Uint8Array.from(records)))
  let rest = ''
  for (const chunk of chunks) {
    const bytes = Buffer.from(chunk, 'latin1')
    rest += bytes.subarray(decoder.push(bytes)).toString('latin1')
  }
  if (mode === 'bdat') decoder.finish()
  const records = [...readRecords(Buffer.concat(parts))]
    .map(({ type, data }) => `${String.fromCharCode(type)} ${Buffer.from(data).toString('latin1')}`)
  return { records, rest, decoder }
}

const data = (text: string, options?: Partial<DataOptions>): readonly string[] => decode('data', [text], options).records

test('DataDecoder turns lines into N records and stops after the final dot', () => {
  const { records, rest, decoder } = decode('data', ['a: b\r\n\r\nc\r\n.\r\nQUIT\r\n'])
  assert.deepEqual(records, ['N a: b', 'N ', 'N c'])
  assert.equal(rest, 'QUIT\r\n')
  assert.equal(decoder.done, true)
})

test('DataDecoder takes one dot away at the start of a line [RFC 5321 §4.5.2]', () => {
  assert.deepEqual(data('..x\r\n.y\r\n...\r\nz.\r\n.\r\n'), ['N .x', 'N y', 'N ..', 'N z.'])
})

test('DataDecoder ends at CR LF . CR LF only [smuggling], as the bare newline policy says', () => {
  // Bytes after DATA; records with accept; records with normalize. Judged by Postfix 3.11.7.
  const cases: readonly (readonly [string, readonly string[], readonly string[]])[] = [
    ['a\n.\r\nb\r\n.\r\n', ['N a'], ['N a', 'N b']],
    ['a\r\n.\nb\r\n.\r\n', ['N a'], ['N a', 'N b']],
    ['a\n.\nb\r\n.\r\n', ['N a'], ['N a', 'N b']],
    ['a\r.\rb\r\n.\r\n', ['N a\r.\rb'], ['N a\r.\rb']],
    ['a\r\r\n.\r\nb\r\n.\r\n', ['N a'], ['N a\r']],
    ['a\n..x\r\n.y\r\n.\r\n', ['N a', 'N .x', 'N y'], ['N a', 'N .x', 'N y']],
    ['a\n.x\n.\r\n\r\n.\r\n', ['N a', 'N x'], ['N a', 'N x', 'N ']],
    ['.\r\n', [], []],
  ]
  for (const [bytes, accepted, normalized] of cases) {
    const name = JSON.stringify(bytes)
    assert.deepEqual(data(bytes, { bareNewline: 'accept' }), accepted, `accept ${name}`)
    assert.deepEqual(data(bytes, { bareNewline: 'normalize' }), normalized, `normalize ${name}`)
  }
})

const seen = (text: string, bareNewline: BareNewlineAction): boolean => decode('data', [text], { bareNewline }).decoder.bareNewlines

test('DataDecoder reports bare newlines where they are looked for', () => {
  assert.equal(seen('a\nb\r\n.\r\n', 'accept'), false)
  assert.equal(seen('a\nb\r\n.\r\n', 'normalize'), true)
  assert.equal(seen('a\nb\r\n.\r\n', 'reject'), true)
  assert.equal(seen('a\r\nb\r\n.\r\n', 'reject'), false)
})

const x = (n: number): string => 'x'.repeat(n)

test('DataDecoder cuts lines longer than line_length_limit into L records', () => {
  const cases: readonly (readonly [string, readonly string[]])[] = [
    [x(2047), [`N ${x(2047)}`]],
    [x(2048), [`L ${x(2048)}`, 'N ']],
    [x(2049), [`L ${x(2048)}`, 'N x']],
    [x(4095), [`L ${x(2048)}`, `N ${x(2047)}`]],
    [x(4096), [`L ${x(2048)}`, `L ${x(2048)}`, 'N ']],
    [`.${x(2048)}`, [`L ${x(2047)}`, 'N x']],
    [`${x(2047)}.foo`, [`L ${x(2047)}.`, 'N foo']],
    [`${x(2048)}.foo`, [`L ${x(2048)}`, 'N .foo']],
    [`${x(2047)}\r${x(3)}`, [`L ${x(2047)}\r`, 'N xxx']],
  ]
  for (const [line, records] of cases) {
    assert.deepEqual(data(`${line}\r\n.\r\n`), records, `${line.length} characters`)
    assert.deepEqual(
      decode('data', [...line.split(''), '\r', '\n', '.\r\n']).records,
      records,
      `${line.length} characters, one by one`,
    )
  }
})

test('DataDecoder keeps odd first lines from being taken as headers of ours', () => {
  assert.deepEqual(data('From a b\r\n>From c\r\n.\r\n'), ['L X-Mailbox-Line: ', 'N From a b', 'N >From c'])
  assert.deepEqual(data('>>From a\r\n.\r\n'), ['L X-Mailbox-Line: ', 'N >>From a'])
  assert.deepEqual(data(' x\r\n y\r\n.\r\n'), ['N ', 'N  x', 'N  y'])
  assert.deepEqual(data('From: a\r\n.\r\n'), ['N From: a'])
})

test('DataDecoder takes BDAT chunks without dots, and ends the last line', () => {
  assert.deepEqual(decode('bdat', ['S: x\r\n\r\nabc', 'def']).records, ['N S: x', 'N ', 'N abcdef'])
  assert.deepEqual(decode('bdat', ['abc\n.\r\n.\n..x\r\n.']).records, ['N abc', 'N .', 'N .', 'N ..x', 'N .'])
  assert.deepEqual(decode('bdat', ['abc\r', '\ndef\r']).records, ['N abc', 'N def\r'])
  assert.deepEqual(decode('bdat', ['From a\r\n']).records, ['N From a'])
  assert.deepEqual(decode('bdat', []).records, [])
  assert.deepEqual(decode('bdat', ['x'.repeat(2048)]).records, [`L ${'x'.repeat(2048)}`, 'N '])
})

test('DataDecoder counts two bytes for each record end, as the size limit does', () => {
  assert.equal(decode('bdat', ['S: x\r\n\r\nabc\r\n', 'def\r\n']).decoder.sizeBytes, 18)
  const big = decode('data', ['12345678\r\n12345678\r\nx\r\n.\r\n'], { messageBytesMax: 20 })
  assert.deepEqual(big.records, ['N 12345678', 'N 12345678'])
  assert.equal(big.decoder.tooBig, true)
  assert.equal(big.decoder.done, true)
})

/** Text made of what matters to the decoder. */
const wire = fc.array(
  fc.constantFrom('\r', '\n', '\r\n', '.', '.\r\n', '\r\n.\r\n', ' ', 'a', 'From ', 'xxxxxxx'), { maxLength: 60 },
)
  .map((parts) => parts.join(''))

test('DataDecoder gives the same records however the input is cut', () => {
  const policy = fc.constantFrom<BareNewlineAction>('accept', 'normalize', 'reject')
  fc.assert(fc.property(wire, fc.array(fc.nat(70), { maxLength: 8 }), policy, fc.boolean(), (text, cuts, bareNewline, bdat) => {
    const options = { lineBytesMax: 8, bareNewline, messageBytesMax: 60 }
    const places = [0, ...cuts.filter((cut) => cut < text.length).toSorted((a, b) => a - b), text.length]
    const chunks = places.slice(1).map((place, i) => text.slice(places[i], place))
    const mode = bdat ? 'bdat' : 'data'
    const whole = decode(mode, [text], options)
    const cut = decode(mode, chunks, options)
    assert.deepEqual(cut.records, whole.records)
    assert.equal(cut.rest, whole.rest)
    assert.equal(cut.decoder.sizeBytes, whole.decoder.sizeBytes)
    assert.equal(cut.decoder.bareNewlines, whole.decoder.bareNewlines)
  }), { numRuns: 2000 })
})
