/** What users may submit: texts as Postfix's postdrop 3.11.7 has them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SubmissionInput } from '#commands/postdrop/input.ts'
import { inputBytes, type Input } from '#test/support/cleanup.ts'

const ENVELOPE = ['A rewrite_context=local', 'S a', 'R b']

type Read = { readonly records: string[]; readonly warnings: string[]; readonly ended: boolean; readonly error: string | undefined }

function read(bytes: Uint8Array, pieces = 1): Read {
  const records: string[] = []
  const warnings: string[] = []
  const input = new SubmissionInput({
    record: (type, payload) => records.push(`${String.fromCharCode(type)} ${Buffer.from(payload).toString()}`),
    warn: (text) => warnings.push(text),
    warnInput: (text) => warnings.push(text),
  }, 2048)
  try {
    const size = Math.max(1, Math.ceil(bytes.length / pieces))
    for (let at = 0; at < bytes.length; at += size) input.push(bytes.subarray(at, at + size))
    return { records, warnings, ended: input.end(), error: undefined }
  } catch (error) {
    return { records, warnings, ended: false, error: error instanceof Error ? error.message : String(error) }
  }
}

const readInput = (input: Partial<Input>): Read => read(inputBytes({ envelope: ENVELOPE, content: 'x', ...input }))

test('SubmissionInput reads the same from pieces of any size', () => {
  const bytes = inputBytes({ envelope: ENVELOPE, content: `x\n${'y'.repeat(300)}`, extracted: ['R c'] })
  const whole = read(bytes)
  assert.deepEqual([whole.ended, whole.error], [true, undefined])
  for (const pieces of [2, 3, 7, bytes.length]) assert.deepEqual(read(bytes, pieces), whole)
})

test('SubmissionInput lets only harmless attributes through', () => {
  const attributes = ['encoding=8bit', 'encoding=x', 'envelope_id=a', 'notify_flags=2', 'ret_flags=1', 'dsn_orig_rcpt=a;b', 'create_time=1', 'rewrite_context=other', 'trace_flags=1024', 'trace_flags=256', 'log_client_name=x', 'nothing', ' x = y ']
  const { records, warnings } = readInput({ envelope: [...attributes.map((text) => `A ${text}`), ...ENVELOPE] })
  assert.deepEqual(records.filter((text) => text.startsWith('A ')), [
    'A encoding=8bit', 'A envelope_id=a', 'A notify_flags=2', 'A ret_flags=1', 'A dsn_orig_rcpt=a;b', 'A create_time=1', 'A trace_flags=1024', 'A rewrite_context=local',
  ])
  assert.deepEqual(warnings, [
    'ignoring attribute record: encoding=x', 'ignoring attribute record: rewrite_context=other', 'ignoring unexpected trace flags: 256',
    'ignoring attribute record: log_client_name=x', "ignoring malformed record: missing '=' after attribute name: nothing", 'ignoring attribute record: x=y',
  ])
})

test('SubmissionInput refuses what does not belong into maildrop', () => {
  const cases = [
    [{ envelope: ['T 1 1'] }, 'unexpected record type: 84'],
    [{ envelope: ['p 0'] }, 'unexpected record type: 112'],
    [{ envelope: ['L a:b'] }, 'unexpected record type: 76'],
    [{ extracted: ['S x'] }, 'unexpected record type: 83'],
    [{ envelope: [['S', 'a\nb']] }, "null or line break in 'sender' record type: a?b"],
    [{ envelope: [['R', 'a\0b']] }, "null or line break in 'recipient' record type: a"],
    [{ content: 'x'.repeat(2049) }, 'malformed input'],
  ] as const
  for (const [input, error] of cases) assert.equal(readInput(input).error, error)
})

test('SubmissionInput tells input that was called off from input that was cut', () => {
  const bytes = inputBytes({ envelope: ENVELOPE, content: 'x' })
  assert.deepEqual([read(bytes.subarray(0, 26)).ended, read(bytes.subarray(0, 26)).error], [false, undefined])
  assert.equal(read(new Uint8Array(0)).ended, false)
  const cut = read(bytes.subarray(0, 25))
  assert.deepEqual([cut.error, cut.warnings], ['malformed input', ['stdin: unexpected EOF in data, record type 83 length 1']])
})
