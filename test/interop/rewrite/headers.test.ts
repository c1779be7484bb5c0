/** Address headers of all sorts through cleanup of the real Postfix, and through ours. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddressHeader, rewriteAddressList } from '#mail/address-list.ts'
import { appendRecord, readRecords, RECORD } from '#queue/record.ts'
import { rewriteAddress } from '#rewrite/rewrite.ts'
import type { RewriteRules } from '#rewrite/rewrite.ts'
import { JUDGE_FLAG, judgeAbsent, startJudge } from '#test/support/judge.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { decodeRaw } from '#util/raw-text.ts'

const NAMES = { myhostname: 'mail.example.org', mydomain: 'example.org', myorigin: 'example.org' }

const RULES: RewriteRules = {
  swapBangpath: true, allowPercentHack: true, appendAtMyorigin: true, appendDotMydomain: false,
  myorigin: 'example.org', mydomain: 'example.org', remoteHeaderRewriteDomain: '',
}

const PIECES = [
  'a', 'bob', 'c.d', 'e@f', 'g@h.i', '"q p"', '"r"', '<', '>', '<j@k>', '<l>', '(m)', '(n (o))', ',', ', ', ';', ':',
  ' ', '  ', '@', '.', '%', '!', '[1.2.3.4]', '\\', '\\"', '"', '(', ')', 'grp: ', 'Ann Other ', 'é', '|', '@s,@t:u@v',
  '<>', '..', 'w'.repeat(30), '""', '=?utf-8?q?x?=',
] as const

/** A comma in a bang path in a bracket never opened: Postfix leaves out a blank, which is not worth the trouble. */
const KNOWN_DIFFERENCES: readonly string[] = ['!,>']

/** Values that are the same in every run. */
function headerValues(count: number): string[] {
  let seed = 20_261_120
  const next = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    return Math.floor((seed / 2_147_483_648) * below)
  }
  return Array.from(
    { length: count }, () => Array.from({ length: 1 + next(9) }, () => PIECES[next(PIECES.length)] ?? '').join(''),
  )
}

function rewritten(value: string): string {
  const list = rewriteAddressList(value, (address) => rewriteAddress(RULES, 'local', address))
  return list === undefined ? `To: ${value}` : formatAddressHeader('To', list)
}

test('address headers are rewritten and folded as Postfix does', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using judge = await startJudge(NAMES)
  const values = headerValues(1500)
  const records = new ByteWriter()
  const add = (type: number, text: string): void => appendRecord(records, type, Buffer.from(text))
  add(RECORD.time, '1795168578 593490')
  add(RECORD.attribute, 'rewrite_context=local')
  add(RECORD.sender, 'alice@example.org')
  add(RECORD.recipient, 'bob@example.net')
  add(RECORD.message, '')
  add(RECORD.text, 'Received: by test')
  for (const [i, value] of values.entries()) {
    add(RECORD.text, `X-Case: ${i}`)
    add(RECORD.text, `To: ${value}`)
  }
  add(RECORD.text, '')
  add(RECORD.extracted, '')
  add(RECORD.end, '')
  const { id, status } = await judge.submit(JUDGE_FLAG.hold, records.bytes())
  assert.equal(status, 0)
  const theirs = headersOf(await judge.file('hold', id))
  const differences = values.flatMap((value, i) => {
    const ours = rewritten(value)
    const their = theirs.get(i)
    return ours === their || KNOWN_DIFFERENCES.includes(value)
      ? []
      : [`${JSON.stringify(value)}\n  ours:   ${JSON.stringify(ours)}\n  theirs: ${JSON.stringify(their)}`]
  })
  assert.equal(differences.join('\n'), '')
  return undefined
})

/** The To header after each X-Case header. */
function headersOf(file: Uint8Array): Map<number, string> {
  const headers = new Map<number, string>()
  let current = -1
  for (const { type, data } of readRecords(file)) {
    if (type !== RECORD.text) continue
    const line = decodeRaw(data)
    const marker = /^X-Case: (\d+)$/.exec(line)
    const before = headers.get(current)
    if (marker !== null) current = Number(marker[1])
    else if (line.startsWith('To:')) headers.set(current, line)
    else if (/^[ \t]/.test(line) && before !== undefined) headers.set(current, `${before}\n${line}`)
  }
  return headers
}
