/** Queue files of cleanup, record by record the same as the real Postfix makes of the same input. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { flagsFromBits } from '#cleanup/flags.ts'
import { loadConfig } from '#config/load.ts'
import { comparableLog, comparableRecords, JUDGE_FLAG, judgeAbsent, startJudge, type Judge } from '#test/support/judge.ts'
import { inputBytes, queueBytes, submitMessage, testSpool, TEST_VALUES, type Input } from '#test/support/cleanup.ts'
import { captureLog } from '#test/support/log.ts'
import { printable } from '#util/printable.ts'
import { CASES } from './cases.ts'

const { bounce: _bounce, hold, ...judged } = JUDGE_FLAG
const USUAL = judged.filter | judged.bcc | judged.map | hold

/** The judge's log comes through another process. */
const LOG_ATTEMPTS_MAX = 100
const LOG_WAIT_MS = 20

/** What both make of an input: result, file, log. */
/** What one of them made of a message. */
type Made = {
  readonly status: number
  readonly reason: string
  readonly records: readonly string[] | undefined
  readonly log: readonly string[]
}

async function ours(judge: Judge, flags: number, input: Input): Promise<Made> {
  using captured = captureLog()
  using queue = testSpool({}, loadConfig(judge.etc))
  const result = await submitMessage(queue.config, flagsFromBits(flags), input)
  const file = result.status === 0 && !isDropped(captured.texts()) ? queueBytes(queue.spool, 'hold', result.id) : undefined
  const log = comparableLog(captured.texts().map((line) => `x/cleanup[1]: ${printable(line)}`), result.id)
  return { status: result.status, reason: result.reason, ...shown(file, log, result.id) }
}

/** @param lines How many log lines to wait for: its log arrives later than its answer. */
async function theirs(judge: Judge, flags: number, input: Input, lines: number): Promise<Made> {
  const result = await judge.submit(flags, inputBytes(input))
  let log = comparableLog(judge.log(), result.id)
  for (let i = 0; i < LOG_ATTEMPTS_MAX && log.length < lines; i++) {
    await delay(LOG_WAIT_MS)
    log = comparableLog(judge.log(), result.id)
  }
  const file = result.status === 0 && !isDropped(log) ? await judge.file('hold', result.id) : undefined
  return { status: result.status, reason: result.reason, ...shown(file, log, result.id) }
}

const isDropped = (log: readonly string[]): boolean => log.some((line) => line.endsWith(': removed (discarded)'))

function shown(file: Uint8Array | undefined, log: readonly string[], id: string): Pick<Made, 'records' | 'log'> {
  return { records: file === undefined ? undefined : comparableRecords(file, id), log }
}

for (const [title, { main = {}, files = {}, messages }] of Object.entries(CASES)) {
  test(`cleanup makes the same of a message as Postfix: ${title}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    await using judge = await startJudge({ ...TEST_VALUES, ...main }, { files })
    for (const { name, flags = USUAL, ownLog = false, ...input } of messages) {
      await t.test(name, async () => {
        const made = await ours(judge, flags, input)
        const expected = await theirs(judge, flags, input, ownLog ? 0 : made.log.length)
        assert.deepEqual(ownLog ? { ...made, log: expected.log } : made, expected)
      })
    }
  })
}
