/** Our smtpd, by dialogs: see test/service/smtpd/*.txt. The real Postfix gets the same in test/interop. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { selfSignedCertificate } from '#network/certificate.ts'
import { startDovecot } from '#test/support/dovecot.ts'
import { captureLog } from '#test/support/log.ts'
import { startSmtpd } from '#test/support/smtpd.ts'
import { comparableLog, placed, playDialog, readDialogs } from '#test/support/smtpd-dialog.ts'

const folder = mkdtempSync(join(tmpdir(), 'posthorn-dialogs-'))
after(() => rmSync(folder, { recursive: true }))
const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
writeFileSync(join(folder, 'cert.pem'), `${key}\n${certificate}`)

for (const dialog of readDialogs(join(import.meta.dirname, 'smtpd'))) {
  test(`smtpd: ${dialog.name}`, async () => {
    using log = captureLog('postfix/smtpd')
    await using dovecot = await startDovecot()
    const { config } = placed(dialog, { certificate: join(folder, 'cert.pem'), auth: dovecot.path })
    {
      await using smtpd = await startSmtpd({ values: config })
      const { expected, actual } = await playDialog(dialog, smtpd.port)
      assert.deepEqual(actual, expected)
    }
    if (dialog.log === undefined) return
    const lines = log.lines.filter(({ ident }) => ident === 'postfix/smtpd').map(({ text }) => text)
    assert.deepEqual(comparableLog(lines), dialog.log)
  })
}
