/** The same queue twice, each with a configuration of its own: one for the real tools, one for ours. */
import { chmodSync, chownSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getpwnam } from '#system/users.ts'
import { JUDGE_DIRECTORIES } from './real-postfix.ts'
import { runTool, type ToolOptions, type ToolResult, type Whose } from './tools.ts'

const BOTH = ['real', 'ours'] as const
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved', 'bounce', 'defer', 'trace', 'flush', 'private', 'public'] as const

/** A file to start with: its path below the queue directory. */
export type StartFile = { readonly path: string; readonly bytes: Uint8Array | string; readonly mode?: number; readonly time?: Date }

/** Two queues with the same content, removed at the end of the `using` block. */
export type TwoQueues = Disposable & {
  folder(whose: Whose): string
  queue(whose: Whose): string
  /** Runs the tool on each queue; results have the same paths. */
  run(name: string, args: readonly string[], options?: ToolOptions): Record<Whose, ToolResult>
  /** Adds lines to both configurations. */
  configure(lines: string): void
  /** Every file: path, mode, owner. Inodes in names become INODE. */
  tree(whose: Whose): string[]
  /** Lines of the log, after `ident[pid]: `. */
  log(whose: Whose): string[]
}

function mainCf(folder: string): string {
  return [
    'compatibility_level = 3.11', `queue_directory = ${folder}/queue`, `data_directory = ${folder}`, `maillog_file = ${folder}/log`,
    `maillog_file_prefixes = ${tmpdir()}`,
    ...Object.entries(JUDGE_DIRECTORIES).map(([name, value]) => `${name} = ${value}`), 'myhostname = mail.example.org', 'mail_name = Postfix',
    'inet_interfaces = 127.0.0.1', '',
  ].join('\n')
}

/** Makes both queues. Files belong to the user postfix. */
export function createTwoQueues(files: readonly StartFile[]): TwoQueues {
  const base = mkdtempSync(join(tmpdir(), 'posthorn-two-'))
  chmodSync(base, 0o755)
  const owner = getpwnam('postfix')
  const folder = (whose: Whose): string => join(base, whose)
  const queue = (whose: Whose): string => join(folder(whose), 'queue')
  for (const whose of BOTH) {
    mkdirSync(queue(whose), { recursive: true })
    writeFileSync(join(folder(whose), 'main.cf'), mainCf(folder(whose)))
    cpSync('/etc/postfix/master.cf', join(folder(whose), 'master.cf'))
    for (const name of QUEUES) mkdirSync(join(queue(whose), name))
    for (const file of files) putFile(queue(whose), file)
    for (const name of readdirSync(queue(whose), { recursive: true, encoding: 'utf8' })) chownSync(join(queue(whose), name), owner?.uid ?? 0, owner?.gid ?? 0)
  }
  const clean = (text: string): string => BOTH.reduce((rest, whose) => rest.replaceAll(folder(whose), 'FOLDER'), text)
  return {
    folder,
    queue,
    run: (name, args, options = {}) => {
      const one = (whose: Whose): ToolResult => {
        const result = runTool(whose, name, args, { ...options, env: { MAIL_CONFIG: folder(whose), ...options.env } })
        return { status: result.status, stdout: clean(result.stdout), stderr: clean(result.stderr) }
      }
      return { real: one('real'), ours: one('ours') }
    },
    configure: (lines) => {
      for (const whose of BOTH) writeFileSync(join(folder(whose), 'main.cf'), `${mainCf(folder(whose))}${lines}\n`)
    },
    tree: (whose) => tree(queue(whose)),
    log: (whose) => readFileSync(join(folder(whose), 'log'), 'utf8').split('\n').map((line) => clean(line.replace(/^.*?\]: /, ''))),
    [Symbol.dispose]: () => rmSync(base, { recursive: true }),
  }
}

function putFile(queue: string, { path, bytes, mode = 0o700 }: StartFile): void {
  const file = join(queue, path)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, bytes)
  chmodSync(file, mode)
}

function tree(queue: string): string[] {
  const entries = readdirSync(queue, { recursive: true, encoding: 'utf8' }).map((name) => ({ name, facts: statSync(join(queue, name)) }))
  // Logs have the inode of their message in their name.
  const inodes = entries.map(({ facts }) => facts.ino.toString(16).toUpperCase())
  return entries.map(({ name, facts }) => {
    const inode = inodes.find((each) => name.endsWith(each))
    const plain = inode === undefined ? name : `${name.slice(0, -inode.length)}INODE`
    return `${plain} ${facts.mode.toString(8)} ${facts.uid}`
  }).toSorted()
}
