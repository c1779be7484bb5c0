/** Edits by postconf, beside the real one: the same files afterwards, the same messages, the same status. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createConfigSite, runPostconf, runRealPostconf } from '#test/support/postconf.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'
import { EDITED_SITE } from './sites.ts'

const EDITS: readonly (readonly string[])[] = [
  ['-e', 'relayhost=new'],
  ['mydestination = q  r ', 'zzz=1', 'aaa=\u00e9'],
  ['-X', 'mydestination'],
  ['-#', 'mydestination', 'relayhost'],
  ['-X', 'nosuch'],
  ['-e', 'relayhost=', 'relayhost=2'],
  ['-e', ' foo = 2'],
  ['-M', 'new/unix=new unix - - n - - pipe flags=x argv=/a b'],
  ['-Me', 'relay/unix=relay unix - - n - - smtp -o a=b -o {c = d e} x {f g}'],
  ['-Me', '*/unix=x unix - - n - - smtp'],
  ['-MX', 'relay/unix', 'smtp/inet'],
  ['-MX', '*/unix'],
  ['-M#', 'relay/unix'],
  ['-Fe', 'relay/unix/chroot=y'],
  ['-F', 'relay/unix/command=lmtp -o x=y'],
  ['-F', '*/unix/chroot=y'],
  ['-F', 'smtp/inet/type=unix'],
  ['-P', 'relay/unix/syslog_name=zz'],
  ['-P', 'relay/unix/new=1', 'relay/unix/a=q'],
  ['-P', '*/unix/foo=1'],
  ['-PX', 'relay/unix/a'],
  ['-PX', 'nosuch/unix/x'],
  ['-X', ''],
  ['-e', '#foo=3'],
  ['-e', 'foo=a\nb'],
  ['=x'],
  ['x=3', 'foo'],
  ['-X', 'relayhost=3'],
  ['-MX', 'relay'],
  ['-Pe', 'smtp/*/*=3'],
  ['-Pe', 'relay/unix/foo={a b}'],
  ['-Fe', 'smtp/inet/chroot=a b'],
  ['-Fe', 'smtp/inet/foo=3'],
]

for (const args of EDITS) {
  test(`postconf ${args.join(' ')} edits as the real one does`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    using ours = createConfigSite(EDITED_SITE)
    using real = createConfigSite(EDITED_SITE)
    const run = await runPostconf(ours.directory, ...args)
    const judged = await runRealPostconf(real.directory, ...args)
    const judgedErr = judged.err.map((line) => line.replaceAll(real.directory, ours.directory))
    assert.deepEqual({ ...run, err: run.err.toSorted() }, { ...judged, err: judgedErr.toSorted() })
    assert.deepEqual(ours.files(), real.files())
  })
}
