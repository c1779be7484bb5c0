/**
 * Rehearsals: each command does its usual work once in a small site of its own, and V8 keeps what it compiled.
 * What no rehearsal reaches is compiled when it is first called, as without any.
 *
 * @module
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { appendRecord, RECORD } from '#queue/record.ts'
import { getgrgid, getpwnam, getpwuid, isRoot, type User } from '#system/users.ts'
import { ByteWriter } from '#util/byte-writer.ts'
import { NODE_FLAGS, PROGRAM_FILES } from './program.ts'

/** No rehearsal takes this long. */
const TIMEOUT_MS = 30_000
const MESSAGE = 'From: someone@example.com\nTo: someone@example.net\nSubject: a rehearsal\n\ntext\n'
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'saved', 'public', 'private', 'pid']

type Rehearsal = { readonly args: readonly string[]; readonly input?: string | Uint8Array }

/** By command; `@` stands for the folder of the site. */
const REHEARSALS: Readonly<Record<string, readonly Rehearsal[]>> = {
  mailq: [{ args: [] }],
  newaliases: [{ args: [] }],
  postalias: [{ args: ['-q', 'key', 'texthash:@/table'] }],
  postcat: [{ args: ['/dev/null'] }],
  postconf: [{ args: ['-h', 'myhostname'] }, { args: ['-n'] }, { args: ['-M'] }],
  postdrop: [{ args: ['-r'], input: submission() }],
  postfix: [{ args: ['status'] }],
  postkick: [{ args: ['public', 'qmgr', 'W'] }],
  postlock: [{ args: ['@/table', 'true'] }],
  postlog: [{ args: ['-t', 'rehearsal', 'a line'] }, { args: [], input: 'a line\n' }],
  postmap: [{ args: ['-q', 'key', 'texthash:@/table'] }, { args: ['hash:@/table'] }, { args: ['-q', 'key', 'hash:@/table'] }],
  postqueue: [{ args: ['-p'] }, { args: ['-f'] }],
  postsuper: [{ args: ['-d', '0123456789ABC'] }, { args: [] }],
  qshape: [{ args: [] }],
  sendmail: [
    { args: ['-f', 'someone@example.com', 'someone@example.net'], input: MESSAGE },
    { args: ['-t', '-i'], input: MESSAGE }, { args: ['-bv', 'someone@example.net'] },
  ],
}

/** What sendmail gives to postdrop. */
function submission(): Uint8Array {
  const records = new ByteWriter(1024)
  const list = [
    [RECORD.attribute, 'rewrite_context=local'], [RECORD.sender, 'someone@example.com'], [RECORD.message, ''],
    [RECORD.text, 'Subject: a rehearsal'], [RECORD.extracted, ''], [RECORD.recipient, 'someone@example.net'], [RECORD.end, ''],
  ] as const
  for (const [type, payload] of list) appendRecord(records, type, payload)
  return Buffer.from(records.bytes())
}

/** Who owns the queue of the site: whoever builds, and for root somebody else, as a mail system wants it. */
function siteOwner(): User | undefined {
  return isRoot() ? getpwnam('nobody') : getpwuid(process.getuid?.() ?? 0)
}

/** @returns The folder of the configuration; the caller removes it. */
function makeSite(owner: User): string {
  const site = mkdtempSync(join(tmpdir(), 'posthorn-rehearsal-'))
  chmodSync(site, 0o755)
  for (const name of ['', ...QUEUES]) {
    const path = join(site, 'queue', name)
    mkdirSync(path)
    chownSync(path, owner.uid, owner.gid)
  }
  writeFileSync(join(site, 'table'), 'key value\n')
  writeFileSync(join(site, 'master.cf'), 'smtp unix - - n - - smtp\n')
  const settings = {
    compatibility_level: '3.11', queue_directory: join(site, 'queue'), data_directory: join(site, 'queue'), mail_owner: owner.name,
    setgid_group: getgrgid(owner.gid)?.name ?? owner.name, default_privs: owner.name, myhostname: 'rehearsal.localhost',
    alias_database: `texthash:${join(site, 'table')}`, maillog_file: join(site, 'log'), maillog_file_prefixes: site,
  }
  writeFileSync(join(site, 'main.cf'), Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`).join(''))
  return site
}

/** Program to rehearse. */
export type RehearsedProgram = {
  /** Folder with its `program.js`; what is kept goes there too. */
  readonly folder: string
  /** Names of the commands that it is. */
  readonly names: readonly string[]
}

/**
 * Rehearses programs. What goes wrong in a rehearsal costs only time at later starts.
 *
 * @throws {Error} There is no user to own a queue.
 */
export function rehearse(programs: readonly RehearsedProgram[]): void {
  const owner = siteOwner()
  if (!owner) throw new Error('Cannot rehearse commands as there is no user to own a queue')
  const site = makeSite(owner)
  try {
    for (const { folder, names } of programs) for (const name of names) rehearseOne(site, folder, name)
  } finally {
    rmSync(site, { recursive: true })
  }
}

function rehearseOne(site: string, folder: string, name: string): void {
  for (const { args, input = '' } of REHEARSALS[name] ?? [{ args: ['-?'] }]) {
    const words = args.map((word) => word.replace('@', site))
    const child = [join(import.meta.dirname, 'rehearse.ts'), join(folder, PROGRAM_FILES.program), join(folder, PROGRAM_FILES.compiled)]
    // The name as a single executable sees it.
    spawnSync(process.execPath, [...NODE_FLAGS, ...child, ...words], {
      argv0: name,
      env: { PATH: '/usr/bin:/bin', MAIL_CONFIG: site }, input, stdio: ['pipe', 'ignore', 'ignore'], timeout: TIMEOUT_MS,
    })
  }
}
