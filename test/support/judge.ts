/**
 * The real Postfix with all its mail services, to compare queue files with: its cleanup is given
 * records as smtpd would give them, its commands run with any input, and what it writes
 * is read back in a form in which two files of the same message are equal.
 */
import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { join } from 'node:path'
import { queuePath, type QueueName, type Spool } from '#queue/spool.ts'
import { readRecords, RECORD, sizeNumbers } from '#queue/record.ts'
import { encodeAttributes, firstList } from '#service/attributes.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { judgeCommand, startRealPostfix, type RealPostfix } from './real-postfix.ts'

export { judgeAbsent } from './real-postfix.ts'

/** Services that mail needs, without listeners; queues are left alone unless `qmgr` is among them. */
export const MAIL_SERVICES: readonly string[] = [
  'pickup unix n - n 60 1 pickup',
  'cleanup unix n - n - 0 cleanup',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'showq unix n - n - - showq',
  'anvil unix - - n - 1 anvil',
]

/** Flags of its cleanup protocol. */
export const JUDGE_FLAG = { bounce: 1, filter: 2, hold: 4, discard: 8, bcc: 16, map: 32, milter: 64, smtputf8: 256, autoutf8: 512, requireTls: 1024 } as const

export type JudgeResult = { readonly id: string; readonly status: number; readonly reason: string }
export type CommandResult = { readonly status: number; readonly stdout: string; readonly stderr: string }
export type CommandOptions = { readonly input?: string | Uint8Array; readonly env?: Readonly<Record<string, string>> }

/** A running Postfix. */
export type Judge = AsyncDisposable & {
  /** Its configuration directory. */
  readonly etc: string
  /** Its queue directory. */
  readonly queue: string
  /** Gives records to its cleanup; the last one must be E. */
  submit(flags: number, records: Uint8Array): Promise<JudgeResult>
  /** A queue file. */
  file(queue: QueueName, id: string): Promise<Uint8Array>
  /** Lines of its log so far. */
  log(): string[]
  /** Runs a command of it, with its configuration. */
  run(program: string, args: readonly string[], options?: CommandOptions): Promise<CommandResult>
}

/** Starts a Postfix with `services`, by default those for mail, and `master`; it ends with the `using` block. `$DIR` in values stands for its configuration directory. */
export async function startJudge(
  main: Readonly<Record<string, string>> = {},
  options: { readonly master?: readonly string[]; readonly services?: readonly string[]; readonly files?: Readonly<Record<string, string>> } = {},
): Promise<Judge> {
  const { master = [], files = {}, services = MAIL_SERVICES } = options
  const real: RealPostfix = await startRealPostfix({ main, master: [...services, ...master], files })
  const etc = join(real.directory, 'etc')
  const queue = join(real.directory, 'queue')
  const spool: Spool = { path: queue, hashNames: new Set(['deferred', 'defer']), hashDepth: 1, longIds: false }
  return {
    etc,
    queue,
    submit: (flags, records) => submit(join(queue, 'public', 'cleanup'), flags, records),
    file: (name, id) => readFile(queuePath(spool, name, id)),
    log: () => readFileSync(join(real.directory, 'log'), 'utf8').split('\n').filter((line) => line !== ''),
    run: (program, args, given) => runCommand(etc, program, args, given),
    [Symbol.asyncDispose]: () => real[Symbol.asyncDispose](),
  }
}

/** Runs a command to its end. */
function runCommand(etc: string, program: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const [command, ...before] = judgeCommand(program)
  const env = { ...process.env, MAIL_CONFIG: etc, ...options.env }
  const child = spawn(command, [...before, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
  const out: Buffer[] = []
  const err: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  child.stdin.on('error', () => undefined)
  child.stdin.end(options.input ?? '')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      resolve({ status: code ?? -1, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    })
  })
}

/** One conversation with cleanup: greeting, flags, records, status. */
function submit(path: string, flags: number, records: Uint8Array): Promise<JudgeResult> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let received = Buffer.alloc(0)
    let id: string | undefined
    socket.on('error', reject)
    socket.on('end', () => reject(new Error(`Cannot talk to ${path}: it hung up`)))
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      for (let first = firstList(received); first !== undefined; first = firstList(received)) {
        received = received.subarray(first.length)
        const list = new Map(first.list)
        if (id === undefined) {
          id = list.get('queue_id') ?? ''
          // In one write: it stops reading where it has seen enough.
          socket.write(Buffer.concat([encodeAttributes([['flags', flags]]), records]))
        } else {
          socket.destroy()
          resolve({ id, status: Number(list.get('status')), reason: list.get('reason') ?? '' })
        }
      }
    })
  })
}

/**
 * The records of a queue file as lines, `offset` and what else differs from one run to the next left out:
 * queue id, times, and the sizes that follow from the length of the id. Those are checked instead.
 */
export function comparableRecords(bytes: Uint8Array, id: string): string[] {
  const records = [...readRecords(bytes)]
  const size = records[0]
  const dataOffset = records.find(({ type }) => type === RECORD.message)?.offset
  const end = records.find(({ type }) => type === RECORD.extracted)?.offset
  const numbers = size === undefined ? [] : sizeNumbers(decodeRaw(size.data))
  const start = dataOffset === undefined ? undefined : dataOffset + 2
  const fits = start !== undefined && end !== undefined && numbers[1] === start && numbers[0] === end - start && numbers[4] === numbers[0]
  return records.map(({ type, data }, i) => {
    const text = decodeRaw(data)
    const shown = i === 0 ? `${fits ? 'fits' : `${text} is wrong`} ${[numbers[2], numbers[3], numbers[5]].join(' ')}` : text
    return `${String.fromCharCode(type)} ${withoutTimes(shown.replaceAll(id, 'ID'))}`
  })
}

function withoutTimes(text: string): string {
  return text
    .replaceAll(/\d{14}\.ID/g, 'TIME.ID')
    .replace(/^create_time=\d+$/, 'create_time=TIME')
    .replace(/^\d{10} \d{1,6}$/, 'TIME')
    .replaceAll(/(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat), [ \d]\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, 'DATE')
}

/** Log lines of one message by one program, without time, process and id. */
export function comparableLog(lines: readonly string[], id: string, program = 'cleanup'): string[] {
  const head = new RegExp(`^.*/${program}\\[\\d+\\]: `)
  return lines
    .filter((line) => head.test(line) && line.includes(id))
    .map((line) => withoutTimes(line.replace(head, '').replaceAll(id, 'ID')))
}
