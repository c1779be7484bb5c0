/**
 * Runs the levels of the test suite and ends with one line of counts.
 *
 *   node test/support/run-tests.ts            types, lint, checks, unit, service, system
 *   node test/support/run-tests.ts interop    against the real Postfix and other peers
 *   node test/support/run-tests.ts faults     disks, clocks, workers and peers that fail
 *   node test/support/run-tests.ts crash      300 kills under load; POSTHORN_CRASH_KILLS says another number
 *   node test/support/run-tests.ts unit FILE  one level, or files of it whose path contains FILE
 *
 * Exit status 0 when nothing failed.
 */
import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { run } from 'node:test'

type Counts = { passed: number; failed: number; skipped: Map<string, number> }
type Step = { readonly name: string; readonly files?: string; readonly command?: readonly string[]; readonly atOnce?: number; readonly minutes?: number }

const STEPS: readonly Step[] = [
  { name: 'types', command: ['tsc'] },
  { name: 'lint', command: ['oxlint', '-c', '.oxlintrc.json', '--deny-warnings', 'src', 'test'] },
  { name: 'checks', files: 'test/checks/**/*.test.ts' },
  { name: 'unit', files: 'test/unit/**/*.test.ts' },
  { name: 'service', files: 'test/service/**/*.test.ts' },
  { name: 'system', files: 'test/system/*.test.ts', atOnce: 2 },
  { name: 'interop', files: 'test/interop/**/*.test.ts', atOnce: 2 },
  { name: 'faults', files: 'test/system/faults/*.test.ts', atOnce: 2, minutes: 10 },
  { name: 'crash', files: 'test/system/crash/**/*.test.ts', atOnce: 1, minutes: 30 },
]
const DEFAULT_STEPS = ['types', 'lint', 'checks', 'unit', 'service', 'system']
/** One file may not hang the suite. */
const FILE_TIMEOUT_MS = 240_000

/** Runs a program of node_modules/.bin; counts as one test. */
async function runCommand(step: Step, counts: Counts): Promise<void> {
  const [program = '', ...args] = step.command ?? []
  const child = spawn(`node_modules/.bin/${program}`, args, { stdio: ['ignore', 'inherit', 'inherit'] })
  const status = await new Promise((resolve) => child.on('close', resolve).on('error', resolve))
  if (status === 0) counts.passed += 1
  else counts.failed += 1
  process.stdout.write(`${status === 0 ? 'ok  ' : 'FAIL'} ${step.name}\n`)
}

function describe(error: unknown): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}

async function runFiles(step: Step, filter: string | undefined, counts: Counts): Promise<void> {
  const files = globSync(step.files ?? '').filter((file) => filter === undefined || file.includes(filter)).toSorted()
  if (files.length === 0) return
  const before = { passed: counts.passed, failed: counts.failed }
  const started = Date.now()
  const stream = run({ files, concurrency: step.atOnce ?? availableParallelism(), timeout: step.minutes === undefined ? FILE_TIMEOUT_MS : step.minutes * 60_000 })
  stream.on('test:pass', ({ name, skip, details }) => {
    if (details.type === 'suite') return
    if (skip === undefined || skip === false) counts.passed += 1
    else {
      const reason = typeof skip === 'string' ? skip : name
      counts.skipped.set(reason, (counts.skipped.get(reason) ?? 0) + 1)
    }
  })
  stream.on('test:fail', ({ name, file, details, todo }) => {
    if (todo !== undefined) return
    counts.failed += 1
    process.stdout.write(`FAIL ${file ?? ''}: ${name}\n${describe(details.error)}\n`)
  })
  stream.on('test:stderr', ({ message }) => process.stdout.write(message))
  for await (const event of stream) void event
  const failed = counts.failed - before.failed
  const seconds = ((Date.now() - started) / 1000).toFixed(1)
  process.stdout.write(`${failed === 0 ? 'ok  ' : 'FAIL'} ${step.name}: ${counts.passed - before.passed} passed, ${failed} failed, ${files.length} files, ${seconds} s\n`)
}

const [level, filter] = process.argv.slice(2)
const names = level === undefined ? DEFAULT_STEPS : [level]
const counts: Counts = { passed: 0, failed: 0, skipped: new Map() }
for (const step of STEPS.filter(({ name }) => names.includes(name))) {
  if (step.command) await runCommand(step, counts)
  else await runFiles(step, filter, counts)
}
for (const [reason, times] of counts.skipped) process.stdout.write(`skipped ${times}: ${reason}\n`)
const skipped = [...counts.skipped.values()].reduce((sum, times) => sum + times, 0)
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${skipped} skipped\n`)
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1
