/** The dialogs of test/service/smtpd with the real Postfix: what we expect of ours is what it says and logs. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { selfSignedCertificate } from '#network/certificate.ts'
import { startDovecot } from '#test/support/dovecot.ts'
import { MAIL_SERVICES } from '#test/support/judge.ts'
import { freePorts } from '#test/support/ports.ts'
import { judgeAbsent, startRealPostfix, type RealPostfix } from '#test/support/real-postfix.ts'
import { comparableLog, placed, playDialog, readDialogs, type Dialog } from '#test/support/smtpd-dialog.ts'
import { DIALOG_VALUES } from '#test/support/smtpd.ts'
import { eventually } from '#test/support/system.ts'

const DELIVERY = ['qmgr unix n - n 300 1 qmgr', 'discard unix - - n - - discard', 'tlsmgr unix - - n 1000? 1 tlsmgr']
/** Lines of its stream library, not of SMTP. */
const INTERNAL_REGEXP = /^warning: disabling input from \S+ socket$/

const dialogs = readDialogs(join(import.meta.dirname, '../service/smtpd')).filter(({ only }) => only === undefined)

function entry(port: number, { config }: Dialog): string {
  const options = Object.entries(config).map(([name, value]) => `-o { ${name} = ${value} }`)
  return `127.0.0.1:${port} inet n - n - - smtpd ${options.join(' ')}`
}

function logLines({ directory }: RealPostfix): string[] {
  return readFileSync(join(directory, 'log'), 'utf8').split('\n')
    .filter((line) => /judge\/smtpd\[\d+\]: /.test(line))
    .map((line) => line.replace(/^.*judge\/smtpd\[\d+\]: /, ''))
    .filter((line) => !INTERNAL_REGEXP.test(line))
}

test('real Postfix says in each smtpd dialog what we expect of ours', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const free = await freePorts(dialogs.length)
  const ports = new Map(dialogs.map(({ name }, i) => [name, free[i] ?? 0]))
  const portOf = ({ name }: Dialog): number => ports.get(name) ?? 0
  const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-dialogs-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'cert.pem'), `${key}\n${certificate}`)
  await using dovecot = await startDovecot()
  const places = { certificate: join(folder, 'cert.pem'), auth: dovecot.path }
  const entries = dialogs.map((dialog) => entry(portOf(dialog), placed(dialog, places)))
  await using real = await startRealPostfix(
    { main: DIALOG_VALUES, master: [...MAIL_SERVICES, ...DELIVERY, ...entries] },
  )
  for (const dialog of dialogs) {
    await t.test(dialog.name, async () => {
      const before = logLines(real).length
      const { expected, actual } = await playDialog(dialog, portOf(dialog))
      assert.deepEqual(actual, expected)
      const lines = await eventually('the end of the session', () => {
        const since = logLines(real).slice(before)
        return since.some((line) => line.startsWith('disconnect from')) ? since : undefined
      })
      if (dialog.log !== undefined) assert.deepEqual(comparableLog(lines), dialog.log)
    })
  }
  return undefined
})
