/**
 * Runs a command with a message on its standard input, as another user, for a limited time.
 *
 * @module
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { constants } from 'node:os'
import { isRoot } from '#system/users.ts'
import type { Identity } from '#system/as-user.ts'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { decodeRaw } from '#util/raw-text.ts'
import type { CommandEnd } from './outcome.ts'

/** A command to run, and with whose rights. */
export type CommandRequest = {
  /** Whose command it is: for what is said of one that cannot be started. */
  readonly agent: 'local' | 'pipe'
  readonly words: readonly string[]
  readonly owner: Identity
  readonly environment: Readonly<Record<string, string>>
  readonly directory: string
  readonly input: Iterable<Uint8Array>
  readonly timeLimitMs: number
}

/** Bytes of output that are kept. */
const OUTPUT_BYTES_MAX = 4096
/** sysexits.h EX_TEMPFAIL: a command that cannot be started now may be there later. */
const STATUS_NOT_STARTED = 75

/**
 * Runs a command; never as root.
 *
 * @throws {Error} When it would run as root.
 */
export async function runCommand(request: CommandRequest): Promise<CommandEnd> {
  const { words, owner, environment, directory } = request
  if (isRoot() && owner.uid === 0) throw new Error('refusing to run a command with the rights of root')
  const [program = '', ...args] = words
  const identity = isRoot() ? { uid: owner.uid, gid: owner.gid } : {}
  const child = spawn(program, args, {
    ...identity, cwd: directory, env: { ...environment }, stdio: ['pipe', 'pipe', 'pipe'], detached: true,
  })
  const output = collect(child)
  const failed = (problem: string): string => {
    const text = request.agent === 'pipe' ? `pipe_command: ${problem}` : problem
    log.fatal(text)
    return `${request.agent}: fatal: ${text}\n`
  }
  const timer = { expired: false }
  const limit = setTimeout(() => {
    timer.expired = true
    killGroup(child)
  }, request.timeLimitMs)
  try {
    const ended = waitFor(child, failed)
    await feed(child, request.input)
    const { code, signal, failure } = await ended
    if (timer.expired) return { kind: 'timeout', code: 0, output: output.text() }
    if (signal !== null) return { kind: 'signal', code: constants.signals[signal], output: output.text() }
    return { kind: 'exit', code: code ?? STATUS_NOT_STARTED, output: failure ?? output.text() }
  } catch (error) {
    // Its input cannot be read to the end: half a message must not look like a whole one.
    killGroup(child)
    throw error
  } finally {
    clearTimeout(limit)
  }
}

type Ended = { readonly code: number | null; readonly signal: NodeJS.Signals | null; readonly failure?: string }

/** @param failed What is said of a command that cannot be started, from what the system says. */
function waitFor(child: ChildProcess, failed: (text: string) => string): Promise<Ended> {
  return new Promise((resolve) => {
    child.on('error', (error) => {
      resolve({ code: STATUS_NOT_STARTED, signal: null, failure: failed(`execvp ${child.spawnfile}: ${errnoText(error)}`) })
    })
    child.on('close', (code, signal) => resolve({ code, signal }))
  })
}

/** The command may end, or close its input, before it has read everything: that is its right. */
async function feed(child: ChildProcess, input: Iterable<Uint8Array>): Promise<void> {
  const { stdin } = child
  if (!stdin) return
  let broken = false
  const wake = { drained: (): void => undefined }
  const stop = (): void => {
    broken = true
    wake.drained()
  }
  stdin.on('error', stop)
  stdin.on('close', stop)
  stdin.on('drain', () => wake.drained())
  for (const chunk of input) {
    if (broken) return
    if (!stdin.write(chunk)) {
      await new Promise<void>((resolve) => {
        wake.drained = resolve
        if (broken) resolve()
      })
    }
  }
  stdin.end()
}

function collect(child: ChildProcess): { text: () => string } {
  const chunks: Buffer[] = []
  let size = 0
  const take = (chunk: Buffer): void => {
    if (size < OUTPUT_BYTES_MAX) chunks.push(chunk.subarray(0, OUTPUT_BYTES_MAX - size))
    size += chunk.length
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  return { text: () => decodeRaw(Buffer.concat(chunks)) }
}

/** The command and all that it started. */
function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    child.kill('SIGKILL')
  }
}
