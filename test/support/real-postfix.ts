/**
 * The real Postfix as a judge: a private instance of version 3.11 in a temporary folder.
 *
 * POSTHORN_JUDGE names the folder where it is unpacked. The tool that unpacks it and runs its programs lies beside
 * this repository, in a folder `shared`; without it the tests that need the judge are skipped.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const SCRIPT = join(import.meta.dirname, '../../../shared/tools/postfix-3.11')
const UNPACKED = process.env['POSTHORN_JUDGE'] ?? '/tmp/pf311'

/** Parameters of a configuration that runs its programs. */
export const JUDGE_DIRECTORIES = {
  command_directory: join(UNPACKED, 'bin'),
  daemon_directory: join(UNPACKED, 'libexec'),
  meta_directory: '/etc/postfix',
  shlib_directory: '/usr/lib/postfix',
} as const

const run = promisify(execFile)

/** Why the judge cannot be used here; `undefined` when it can. */
export function judgeAbsent(): string | undefined {
  if (process.getuid?.() !== 0) return 'the real Postfix needs root'
  if (!existsSync(SCRIPT)) return 'no real Postfix 3.11 here: ../shared/tools/postfix-3.11 is missing'
  return existsSync(join(UNPACKED, 'bin', 'postconf')) ? undefined : `no real Postfix 3.11 here: nothing is unpacked in ${UNPACKED}`
}

/** The command line that runs one of its programs (postmap, postconf ...). */
export function judgeCommand(program: string): [command: string, ...args: string[]] {
  return [SCRIPT, 'exec', UNPACKED, join(UNPACKED, 'bin', program)]
}

/** The path of one of the files that were unpacked, there or not. */
export function judgeFile(path: string): string {
  return join(UNPACKED, path)
}

/** Runs one of its programs. */
export async function runJudge(program: string, ...args: readonly string[]): Promise<{ stdout: string; stderr: string }> {
  const [command, ...before] = judgeCommand(program)
  return run(command, [...before, ...args])
}

/** Names and values of one attribute list. */
export type Attributes = readonly (readonly [name: string, value: string])[]

/** A running instance. */
export type RealPostfix = AsyncDisposable & {
  readonly directory: string
  /** Sends one request to a private socket and gives the reply, in Postfix's null-terminated encoding. */
  ask(service: string, request: Attributes): Promise<Map<string, string>>
}

/** What to start: lines of main.cf besides those for places, entries of master.cf, and further files of the folder. */
export type RealPostfixOptions = {
  readonly main: Readonly<Record<string, string>>
  readonly master: readonly string[]
  /** Content by file name; `$DIR` in main values stands for their folder. */
  readonly files?: Readonly<Record<string, string>>
}

/** Starts an instance; it ends with the `using` block. */
export async function startRealPostfix({ main, master, files = {} }: RealPostfixOptions): Promise<RealPostfix> {
  const directory = await mkdtemp(join(tmpdir(), 'posthorn-judge-'))
  const etc = join(directory, 'etc')
  await Promise.all(['etc', 'queue', 'data'].map((name) => mkdir(join(directory, name))))
  // Its programs run as postfix and have to get in.
  await chmod(directory, 0o755)
  const { stdout } = await run('id', ['-u', 'postfix'])
  await chown(join(directory, 'data'), Number(stdout), -1)
  const values = { ...places(directory), ...main }
  const lines = Object.entries(values).map(([name, value]) => `${name} = ${value.replaceAll('$DIR', etc)}`)
  await writeFile(join(etc, 'main.cf'), `${lines.join('\n')}\n`)
  const entries = [...master, 'postlog unix-dgram n - n - 1 postlogd']
  await writeFile(join(etc, 'master.cf'), `${entries.join('\n')}\n`)
  for (const [name, content] of Object.entries(files)) await writeFile(join(etc, name), content)
  try {
    await runJudge('postfix', '-c', etc, 'start')
  } catch (error) {
    await rm(directory, { recursive: true })
    throw error
  }
  return {
    directory,
    ask: (service, request) => ask(join(directory, 'queue', 'private', service), request),
    async [Symbol.asyncDispose]() {
      await runJudge('postfix', '-c', etc, 'stop')
      await rm(directory, { recursive: true })
    },
  }
}

function places(directory: string): Record<string, string> {
  return {
    compatibility_level: '3.11',
    ...JUDGE_DIRECTORIES,
    queue_directory: join(directory, 'queue'),
    data_directory: join(directory, 'data'),
    maillog_file: join(directory, 'log'),
    maillog_file_prefixes: tmpdir(),
    syslog_name: 'judge',
    inet_interfaces: '127.0.0.1',
    // The same configuration may be given to our programs, whose default is another name.
    mail_name: 'Postfix',
  }
}

/** One greeting list from the service, one request, one reply. */
function ask(path: string, request: Attributes): Promise<Map<string, string>> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    let received = ''
    socket.setTimeout(10_000, () => socket.destroy(new Error(`Cannot ask ${path}: no answer`)))
    socket.on('error', reject)
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('utf8')
      const lists = received.split('\0\0')
      if (lists.length < 3) return
      socket.end()
      resolve(readList(lists.slice(1, -1).join('\0\0')))
    })
    socket.on('connect', () => socket.write(`${request.map(([name, value]) => `${name}\0${value}\0`).join('')}\0`))
  })
}

function readList(text: string): Map<string, string> {
  const words = text.split('\0')
  const list = new Map<string, string>()
  for (let i = 0; i + 1 < words.length; i += 2) list.set(words[i] ?? '', words[i + 1] ?? '')
  return list
}
