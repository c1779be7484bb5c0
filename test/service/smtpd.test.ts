/** Our smtpd, by dialogs: see test/service/smtpd/*.txt. The real Postfix gets the same in test/interop. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { captureLog } from '#test/support/log.ts'
import { startSmtpd } from '#test/support/smtpd.ts'
import { comparableLog, playDialog, readDialogs } from '#test/support/smtpd-dialog.ts'

for (const dialog of readDialogs(join(import.meta.dirname, 'smtpd'))) {
  test(`smtpd: ${dialog.name}`, async () => {
    using log = captureLog('postfix/smtpd')
    {
      await using smtpd = await startSmtpd({ values: dialog.config })
      const { expected, actual } = await playDialog(dialog, smtpd.port)
      assert.deepEqual(actual, expected)
    }
    if (dialog.log === undefined) return
    const lines = log.lines.filter(({ ident }) => ident === 'postfix/smtpd').map(({ text }) => text)
    assert.deepEqual(comparableLog(lines), dialog.log)
  })
}
