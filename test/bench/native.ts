/**
 * The programs in C that load, take and answer: compiled at the start of a run, as Node would compete with the servers
 * for the processor. Their sources say what they do: native/source.c, sink.c, answers.c, fill.c.
 */
import { spawn, spawnSync, type ChildProcess, type ChildProcessByStdio } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { freePort } from '#test/support/system.ts'

/** Where the compiled programs are. */
export type NativeTools = Disposable & {
  readonly path: (name: ToolName) => string
  /** Whether `source` knows STARTTLS. */
  readonly tls: boolean
}

export type ToolName = 'source' | 'sink' | 'answers' | 'fill'

const NAMES: readonly ToolName[] = ['source', 'sink', 'answers', 'fill']
/** More open files than the limits of a login shell allow. */
const MANY_FILES = 'ulimit -n 100000 2> /dev/null || ulimit -n $(ulimit -H -n); exec "$@"'

/** A command line that may have as many open files as root can get. */
export function withManyFiles(command: readonly string[]): [string, ...string[]] {
  return ['/bin/sh', '-c', MANY_FILES, 'sh', ...command]
}

/** Compiles all of them; throws what the compiler says. */
export function compileTools(): NativeTools {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-bench-tools-'))
  const compile = (name: ToolName, ...more: readonly string[]): string => {
    const source = join(import.meta.dirname, 'native', `${name}.c`)
    const { status, stderr, error } = spawnSync('cc', ['-O2', '-o', join(folder, name), source, ...more], { encoding: 'utf8' })
    return status === 0 ? '' : (stderr || String(error))
  }
  for (const name of NAMES) {
    const problem = compile(name)
    if (problem === '') continue
    rmSync(folder, { recursive: true })
    throw new Error(`Cannot compile ${name}.c: ${problem}`)
  }
  const tls = compile('source', '-DHAVE_TLS', '-lssl', '-lcrypto') === ''
  return { path: (name) => join(folder, name), tls, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

/** What `source` prints at its end; waits for the reply to the end of data in milliseconds. */
export type LoadReport = {
  readonly accepted: number
  readonly refused: number
  readonly seconds: number
  readonly p50: number
  readonly p99: number
  readonly worst: number
  readonly cpuMs: number
  readonly resumed: number
  readonly connections: number
  readonly idleLost: number
  readonly firstRefusal: string
}

/** Options of `source`; see native/source.c. */
export type LoadOptions = Readonly<Record<string, string | number>>

function words(options: LoadOptions): string[] {
  return Object.entries(options).map(([name, value]) => `${name}=${value}`)
}

/** Sends the messages. Throws when one was refused: nothing that is measured here may be. */
export async function runSource(tools: NativeTools, options: LoadOptions): Promise<LoadReport> {
  const [command, ...args] = withManyFiles([tools.path('source'), ...words(options)])
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString() })
  const status = await new Promise((resolve) => child.on('close', resolve))
  if (status !== 0) throw new Error(`source ended with ${String(status)}`)
  const report: LoadReport = JSON.parse(text)
  if (report.refused > 0) throw new Error(`${report.refused} of ${report.accepted + report.refused} messages were refused: ${report.firstRefusal}`)
  return report
}

/** A program that says when it is ready, and answers each line of input with a line of JSON. */
export class Speaker implements AsyncDisposable {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: Interface
  readonly #iterator: AsyncIterator<string>

  constructor(command: readonly string[]) {
    const [program, ...args] = withManyFiles(command)
    this.#child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child.stdin.on('error', () => undefined)
    this.#lines = createInterface({ input: this.#child.stdout })
    this.#iterator = this.#lines[Symbol.asyncIterator]()
  }

  get process(): ChildProcess {
    return this.#child
  }

  /** The next line it prints. */
  async line(): Promise<string> {
    const { value, done } = await this.#iterator.next()
    if (done === true) throw new Error('a program of the benchmark has ended')
    return value
  }

  ask(): Promise<string> {
    this.#child.stdin.write('\n')
    return this.line()
  }

  /** Closes its input and gives what it still prints. */
  async end(): Promise<string> {
    this.#child.stdin.end()
    return this.line()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const ended = new Promise((resolve) => this.#child.on('exit', resolve))
    this.#child.kill()
    await ended
  }
}

/** What a sink took since it was asked last. */
export type SinkReport = {
  readonly messages: number
  readonly recipients: number
  readonly bytes: number
  /** Most sessions at once. */
  readonly peak: number
  readonly connections: number
  /** By the last octet of the address that was connected to; times in milliseconds of one clock. */
  readonly addresses: readonly { readonly address: number; readonly messages: number; readonly first: number; readonly last: number }[]
}

/** A running sink, on every address. */
export type NativeSink = AsyncDisposable & { readonly port: number; report(): Promise<SinkReport> }

/** @param delayMs Wait before each reply. */
export async function startNativeSink(tools: NativeTools, delayMs = 0): Promise<NativeSink> {
  const port = await freePort()
  const speaker = new Speaker([tools.path('sink'), `port=${port}`, `delay=${delayMs}`])
  await speaker.line()
  return {
    port,
    report: async () => {
      const report: SinkReport = JSON.parse(await speaker.ask())
      return report
    },
    [Symbol.asyncDispose]: () => speaker[Symbol.asyncDispose](),
  }
}
