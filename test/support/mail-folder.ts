/**
 * A configuration, a queue and a log in a temporary folder, on which either Posthorn or the real Postfix may run: the
 * same files for both, one after the other. Files belong to the user postfix, as in an installation.
 */
import { spawn } from 'node:child_process'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PID_FILE } from '#service/instance.ts'
import { getpwnam } from '#system/users.ts'
import { processGroup } from './processes.ts'
import { JUDGE_DIRECTORIES } from './real-postfix.ts'
import { eventually, freePort } from './system.ts'
import { TOOLS, type ToolResult, type Whose } from './tools.ts'

const SERVICES = `127.0.0.1:@PORT:smtp@ inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`
const OWNER = 'postfix'

export type MailFolderOptions = {
  /** Lines of main.cf; `@HOME@` stands for the folder, `@PORT:name@` for a free port. */
  readonly main?: Readonly<Record<string, string>>
  /** Files below etc/. */
  readonly files?: Readonly<Record<string, string>>
}

/** See the module header. What runs is ended, and the folder removed, at the end of an `await using` block. */
export class MailFolder {
  readonly home: string
  readonly port: number

  constructor(home: string, port: number) {
    this.home = home
    this.port = port
  }

  get etc(): string {
    return join(this.home, 'etc')
  }

  get queue(): string {
    return join(this.home, 'queue')
  }

  /** Process id of the master that runs, or 0. */
  get master(): number {
    try {
      return Number(fs.readFileSync(join(this.queue, PID_FILE), 'utf8'))
    } catch {
      return 0
    }
  }

  log(): string[] {
    const file = join(this.home, 'maillog')
    return fs.existsSync(file) ? fs.readFileSync(file, 'utf8').split('\n').filter((line) => line !== '') : []
  }

  /** Files of queues, as `queue/id`. */
  files(...queues: readonly string[]): string[] {
    return queues.flatMap((queue) => fs.readdirSync(join(this.queue, queue), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile()).map(({ name }) => `${queue}/${name}`))
  }

  /** Texts of the messages in a Maildir below mail/. */
  maildir(name: string): string[] {
    const folder = join(this.home, 'mail', name, 'new')
    if (!fs.existsSync(folder)) return []
    return fs.readdirSync(folder).map((file) => fs.readFileSync(join(folder, file), 'latin1'))
  }

  /** Runs a command of either on this folder. Output as latin1 text. */
  async run(whose: Whose, name: string, args: readonly string[], input: string | Uint8Array = ''): Promise<ToolResult> {
    const [command = '', ...before] = TOOLS[whose](name)
    const env = { ...process.env, MAIL_CONFIG: this.etc }
    const child = spawn(command, [...before, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => void (stdout += chunk.toString('latin1')))
    child.stderr.on('data', (chunk: Buffer) => void (stderr += chunk.toString('latin1')))
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
    const status = await new Promise<number | null>((resolve, reject) => child.on('error', reject).on('close', resolve))
    return { status, stdout, stderr }
  }

  /** `postfix start` of one of them. */
  async start(whose: Whose): Promise<void> {
    await this.#control(whose, 'start')
  }

  /** `postfix stop`; nothing of it runs afterwards. */
  async stop(whose: Whose): Promise<void> {
    const group = this.master
    await this.#control(whose, 'stop')
    await eventually('the end of all processes', () => processGroup(group).length === 0 ? true : undefined)
  }

  /** kill -9 of all processes. */
  async kill(): Promise<void> {
    const group = this.master
    if (group === 0 || processGroup(group).length === 0) return
    process.kill(-group, 'SIGKILL')
    await eventually('the end of all processes', () => processGroup(group).length === 0 ? true : undefined)
  }

  /** Master stays: it must not hold the pipes of this process. */
  async #control(whose: Whose, verb: string): Promise<void> {
    const [command = '', ...before] = TOOLS[whose]('postfix')
    const child = spawn(command, [...before, '-c', this.etc, verb], { stdio: 'ignore' })
    const status = await new Promise((resolve, reject) => child.on('error', reject).on('close', resolve))
    if (status === 0) return
    throw new Error(`postfix ${verb} (${whose}) ended with ${String(status)}:\n${this.log().slice(-20).join('\n')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    fs.rmSync(this.home, { recursive: true, force: true })
  }
}

function owned(path: string, mode: number): void {
  fs.mkdirSync(path)
  fs.chmodSync(path, mode)
  const user = getpwnam(OWNER)
  fs.chownSync(path, user?.uid ?? 0, user?.gid ?? 0)
}

/** Makes the folder; nothing runs yet. Needs root and the user postfix. */
export async function createMailFolder({ main = {}, files = {} }: MailFolderOptions = {}): Promise<MailFolder> {
  const home = fs.mkdtempSync(join(tmpdir(), 'posthorn-folder-'))
  fs.chmodSync(home, 0o755)
  const port = await freePort()
  const user = getpwnam(OWNER)
  const values: Record<string, string> = {
    compatibility_level: '3.11', ...JUDGE_DIRECTORIES, queue_directory: '@HOME@/queue', data_directory: '@HOME@/data',
    mail_owner: OWNER,
    setgid_group: 'postdrop', maillog_file: '@HOME@/maillog', maillog_file_prefixes: '@HOME@', mail_name: 'Postfix',
    myhostname: 'mail.example.org',
    mydomain: 'example.org', myorigin: 'example.org', mydestination: 'localhost', inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8', alias_maps: '', alias_database: '', smtpd_peername_lookup: 'no', in_flow_delay: '0',
    smtp_tls_security_level: 'none', virtual_mailbox_base: '@HOME@/mail', virtual_minimum_uid: '1',
    virtual_uid_maps: `static:${user?.uid ?? 0}`,
    virtual_gid_maps: `static:${user?.gid ?? 0}`, minimal_backoff_time: '1s', maximal_backoff_time: '2s',
    queue_run_delay: '1s', ...main,
  }
  const fill = (text: string): string => text.replaceAll('@HOME@', home).replaceAll('@PORT:smtp@', String(port))
  for (const name of ['etc', 'queue']) fs.mkdirSync(join(home, name))
  for (const name of ['data', 'mail']) owned(join(home, name), 0o755)
  const mainCf = Object.entries(values).map(([name, value]) => `${name} = ${value}\n`).join('')
  const all = { ...files, 'main.cf': mainCf, 'master.cf': SERVICES }
  for (const [name, text] of Object.entries(all)) fs.writeFileSync(join(home, 'etc', name), fill(text))
  return new MailFolder(home, port)
}
