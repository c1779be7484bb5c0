/** Message content as clients send it: see src/receive/smtpd/data.ts. One byte of policy, then content. */
import assert from 'node:assert/strict'
import { readRecords, RECORD } from '#queue/record.ts'
import { DataDecoder, type BareNewlineAction } from '#receive/smtpd/data.ts'

const POLICIES: readonly BareNewlineAction[] = ['accept', 'normalize', 'reject']

type Decoded = { readonly records: Buffer; readonly stop: number; readonly done: boolean }

function decode(mode: 'data' | 'bdat', bareNewline: BareNewlineAction, pieces: readonly Uint8Array[]): Decoded {
  const out: Uint8Array[] = []
  const decoder = new DataDecoder(
    mode, { lineBytesMax: 64, messageBytesMax: 4096, bareNewline }, (records) => out.push(Uint8Array.from(records)),
  )
  let stop = 0
  for (const piece of pieces) if (!decoder.done) stop += decoder.push(piece)
  if (mode === 'bdat') decoder.finish()
  return { records: Buffer.concat(out), stop, done: decoder.done }
}

/** Whole records of text come out, the same ones however the input is cut; no line of them could end the message. */
export function target(bytes: Uint8Array): void {
  const first = bytes[0] ?? 0
  const policy = POLICIES[first % 3] ?? 'normalize'
  const mode = first & 0x10 ? 'bdat' : 'data'
  const content = bytes.subarray(1)
  const cut = content.length === 0 ? 0 : (first * 7) % content.length
  const whole = decode(mode, policy, [content])
  const pieces = decode(
    mode, policy, [content.subarray(0, cut), content.subarray(cut, cut + 1), content.subarray(cut + 1)],
  )
  assert.deepEqual(pieces, whole)
  let size = 0
  for (const { type, data } of readRecords(whole.records)) {
    assert.ok(type === RECORD.text || type === RECORD.textPart)
    assert.ok(data.length <= 64)
    assert.ok(!data.includes(0x0a))
    size += data.length + 2
  }
  assert.ok(size <= 4096 + 18)
  if (mode === 'data' && policy !== 'accept' && whole.done) {
    const end = Buffer.from(content.subarray(0, whole.stop)).toString('latin1')
    assert.ok(end === '.\r\n' || end.endsWith('\r\n.\r\n'), 'the message ends at CR LF . CR LF')
  }
}
