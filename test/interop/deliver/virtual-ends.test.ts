/** Virtual mailboxes that fail: what ours and the real virtual say of them. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, linkSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { getpwnam } from '#system/users.ts'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type Twin } from '#test/support/twins.ts'

const BOXES: Readonly<Record<string, string>> = {
  'fine': 'fine', 'folder': 'folder', 'anothers': 'anothers', 'links': 'links', 'executable': 'executable', 'locked': 'locked', 'full': 'full',
  'readonly': 'readonly', 'closed': 'closed/new', 'nofolder': 'none/new', 'm-new': 'maildir/', 'm-file': 'full/', 'm-closed': 'closed/maildir/',
  'bad-uid': 'x', 'no-uid': 'x',
}
const NAMES = [...Object.keys(BOXES), 'nosuch']

function setUp(folder: string): void {
  const { uid, gid } = getpwnam('nobody') ?? assert.fail('no nobody')
  const put = (path: string, mode: number, text = '', owner = uid): void => {
    writeFileSync(join(folder, path), text)
    chmodSync(join(folder, path), mode)
    chownSync(join(folder, path), owner, gid)
  }
  chownSync(folder, uid, gid)
  mkdirSync(join(folder, 'folder'))
  mkdirSync(join(folder, 'closed'))
  chmodSync(join(folder, 'closed'), 0o700)
  put('anothers', 0o666, '', getpwnam('games')?.uid)
  put('links', 0o600)
  linkSync(join(folder, 'links'), join(folder, 'links2'))
  put('executable', 0o700)
  put('locked', 0o600)
  put('locked.lock', 0o600)
  put('full', 0o600, 'x'.repeat(2990))
  put('readonly', 0o400)
}

async function sendAll(twin: Twin): Promise<void> {
  for (const name of NAMES) await twin.send('orig@far.example', [`${name}@virtual.example`], 'From: a@far.example\nSubject: mail\n\nHello.')
  await twin.settled()
}

test('virtual says of mailboxes that fail what the real one says', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const { uid, gid } = getpwnam('nobody') ?? assert.fail('no nobody')
  const uids = NAMES.filter((name) => name !== 'no-uid').map((name) => `${name}@virtual.example ${name === 'bad-uid' ? 7 : uid}`)
  await using twins = await startTwins({
    main: {
      virtual_mailbox_domains: 'virtual.example', virtual_mailbox_base: '$BOX', virtual_mailbox_maps: 'texthash:$DIR/boxes',
      virtual_uid_maps: 'texthash:$DIR/uids', virtual_gid_maps: `static:${gid}`, virtual_minimum_uid: '100', deliver_lock_attempts: '1',
      virtual_mailbox_limit: '3000', message_size_limit: '3000', virtual_mailbox_lock: 'fcntl, dotlock', smtpd_reject_unlisted_recipient: 'no',
      virtual_transport: 'virtual',
    },
    files: { boxes: Object.entries(BOXES).map(([name, box]) => `${name}@virtual.example ${box}\n`).join(''), uids: `${uids.join('\n')}\n` },
    setup: setUp,
  })
  await Promise.all([sendAll(twins.real), sendAll(twins.ours)])
  const lines = /^virtual\[/
  assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
  assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
  return undefined
})
