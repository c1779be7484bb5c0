/** Mailboxes, files and commands that fail in all the ways there are: what ours and the real local say of them. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getpwnam } from '#system/users.ts'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type Twin } from '#test/support/twins.ts'

/** Users that every Debian has, by what is wrong with their mailboxes. */
const USERS = { fine: 'games', folder: 'lp', anothers: 'mail', link: 'news', links: 'uucp', executable: 'proxy', locked: 'backup', full: 'list', readonly: 'man' } as const

const FILES: Readonly<Record<string, string>> = {
  'f-null': '/dev/null', 'f-full': '/dev/full', 'f-folder': '$BOX/folder', 'f-exe': '$BOX/exe', 'f-link': '$BOX/link', 'f-links': '$BOX/links',
  'f-readonly': '$BOX/readonly', 'f-big': '$BOX/big', 'f-new': '$BOX/open/new', 'f-nofolder': '$BOX/none/new', 'f-locked': '$BOX/open/locked',
  'f-closed': '$BOX/closed/new', 'm-new': '$BOX/open/maildir/', 'm-file': '$BOX/big/', 'f-anothers': '$BOX/anothers',
}

const COMMANDS: Readonly<Record<string, string>> = {
  ...Object.fromEntries([1, 2, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77, 78, 79, 99, 126, 127].map((code) => [`c-exit${code}`, `exit ${code}`])),
  'c-kill': 'kill -9 $$', 'c-term': 'kill $$', 'c-none': '/nonexistent/program', 'c-noexec': '/etc/passwd',
  'c-out': "printf 'one\\n\\ttwo  three\\n\\nfour\\n'; exit 69", 'c-dsn': "echo '5.7.9 not you'; exit 69", 'c-dsn4': "echo '4.7.9 not now'; exit 69",
  'c-dsn2': "echo '2.7.9 fine'; exit 0", 'c-dsn5ok': "echo '5.7.9 not you'; exit 0", 'c-dsntemp': "echo '5.7.9 not you'; exit 75",
  'c-okout': 'echo hello; exit 0', 'c-long': 'head -c 9000 /dev/zero | tr "\\0" x; exit 69', 'c-stderr': 'echo oops >&2; exit 1', 'c-bytes': "printf 'a\\303\\244\\001b\\377c'; exit 69",
  'c-deaf': 'exec 0<&-; exit 0', 'c-noread': 'exit 0',
}

const ALIASES = [...Object.entries(FILES), ...Object.entries(COMMANDS).map(([name, command]) => [name, `"|${command.replaceAll(/["\\]/g, '\\$&')}"`] as const)]
  .flatMap(([name, value]) => [`${name} ${value}`, `owner-${name} own-${name}@far.example`])
const OWNED = [`owner-nosuch x@far.example`, `owner-${USERS.folder} y@far.example`, '']

const HEAD = 'From: a@far.example\nSubject: mail\n\nHello.'

function id(name: string): [number, number] {
  const user = getpwnam(name)
  return [user?.uid ?? 0, user?.gid ?? 0]
}

function setUp(folder: string): void {
  const put = (path: string, mode: number, [uid, gid]: [number, number], text = ''): void => {
    writeFileSync(join(folder, path), text)
    chmodSync(join(folder, path), mode)
    chownSync(join(folder, path), uid, gid)
  }
  const nobody = id('nobody')
  for (const [path, mode] of [['spool', 0o1777], ['folder', 0o777], ['open', 0o777], ['closed', 0o755]] as const) {
    mkdirSync(join(folder, path))
    chmodSync(join(folder, path), mode)
  }
  put('exe', 0o755, nobody)
  put('target', 0o600, nobody)
  symlinkSync(join(folder, 'target'), join(folder, 'link'))
  put('links', 0o600, nobody)
  linkSync(join(folder, 'links'), join(folder, 'links2'))
  put('readonly', 0o400, nobody)
  put('anothers', 0o600, id('games'))
  put('big', 0o600, nobody, 'x'.repeat(2990))
  put('open/locked', 0o600, nobody)
  put('open/locked.lock', 0o600, nobody)
  mkdirSync(join(folder, 'spool', USERS.folder))
  put(`spool/${USERS.anothers}`, 0o600, nobody)
  symlinkSync(join(folder, 'target'), join(folder, 'spool', USERS.link))
  put(`spool/${USERS.links}`, 0o600, id(USERS.links))
  linkSync(join(folder, 'spool', USERS.links), join(folder, 'spool', 'second'))
  put(`spool/${USERS.executable}`, 0o700, id(USERS.executable))
  put(`spool/${USERS.locked}.lock`, 0o600, id(USERS.locked))
  put(`spool/${USERS.full}`, 0o600, id(USERS.full), 'x'.repeat(2990))
  put(`spool/${USERS.readonly}`, 0o400, id(USERS.readonly))
}

async function sendAll(twin: Twin, names: readonly string[]): Promise<void> {
  for (const name of names) await twin.send('orig@far.example', [`${name}@example.org`], HEAD)
  await twin.settled()
}

for (const [what, names] of [
  ['mailboxes', [...Object.values(USERS), 'nosuch']], ['files', Object.keys(FILES)], ['commands', Object.keys(COMMANDS)],
] as const) {
  test(`local says of ${what} that fail what the real one says`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    await using twins = await startTwins({
      main: {
        alias_maps: 'texthash:$DIR/aliases', mail_spool_directory: '$BOX/spool', deliver_lock_attempts: '1', mailbox_size_limit: '3000',
        message_size_limit: '3000', require_home_directory: 'no', forward_path: '',
      },
      files: { aliases: [...ALIASES, ...OWNED].join('\n') },
      setup: setUp,
    })
    await Promise.all([sendAll(twins.real, names), sendAll(twins.ours, names)])
    const lines = /^local\[/
    assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
    assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
    return undefined
  })
}
