/**
 * Notices to postmaster about sessions: after each dialog of test/service/smtpd the real Postfix must have queued
 * the same mail as ours, for each class of notify_classes alone, and nothing for classes that ours does not see.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { selfSignedCertificate } from '#network/certificate.ts'
import { FAULT } from '#service/error-notice.ts'
import { isErrno } from '#system/errno.ts'
import { startDovecot } from '#test/support/dovecot.ts'
import { comparableRecords, MAIL_SERVICES } from '#test/support/judge.ts'
import { captureLog } from '#test/support/log.ts'
import { freePorts } from '#test/support/ports.ts'
import { judgeAbsent, startRealPostfix, type RealPostfix } from '#test/support/real-postfix.ts'
import { placed, playDialog, readDialogs, type Dialog } from '#test/support/smtpd-dialog.ts'
import { DIALOG_VALUES, startSmtpd } from '#test/support/smtpd.ts'
import { eventually } from '#test/support/system.ts'

const VALUES = {
  ...DIALOG_VALUES, error_notice_recipient: 'errors', bounce_notice_recipient: 'bounces@example.net', mail_name: 'Postfix',
  // Nothing takes messages out of the queue, and that must not make the real one wait.
  in_flow_delay: '0',
}
const CLASSES = Object.keys(FAULT)
const SUBJECT = ' SMTP server: errors from '

/** What is to be run with the real one: a dialog, and the value of notify_classes. */
type Case = { readonly dialog: Dialog; readonly classes: string; readonly expected: readonly string[][] }

/** Notices in a queue directory that are not in `seen`, as records without what differs from run to run. */
function newNotices(queue: string, seen: Set<string>): string[][] {
  const notices: string[][] = []
  for (const id of readdirSync(join(queue, 'incoming')).toSorted()) {
    if (seen.has(id)) continue
    seen.add(id)
    const bytes = contentOf(join(queue, 'incoming', id))
    // A message that the client did not finish is on its way out.
    if (bytes === undefined) continue
    const records = comparableRecords(bytes, id)
    if (records.some((record) => record.includes(SUBJECT))) notices.push(withoutSecrets(records.map(withoutIds)))
  }
  return notices
}

function contentOf(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path)
  } catch (error) {
    if (isErrno(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Postfix shows what AUTH sends, ours does not. */
function withoutSecrets(records: readonly string[]): string[] {
  return records.map((record, i) => {
    if (/^N {2}Out: 334/.test(records[i - 1] ?? '')) return 'N  In:  [hidden]'
    return record.replace(/^(N {2}In: {2}AUTH \S+ ).*/i, '$1[hidden]')
  })
}

function withoutIds(record: string): string {
  return record.replace(/(queued as )[0-9A-F]{6,}/, '$1QID').replaceAll(/(127\.0\.0\.1\]?:)\d{4,5}/g, '$1PORT')
    // Sizes follow from the length of queue ids.
    .replace(/^(C fits|C .* is wrong).*$/, '$1')
}

/** What our smtpd sends for a dialog. */
async function ours(dialog: Dialog, classes: string): Promise<{ notices: string[][]; faults: number[] }> {
  using log = captureLog('postfix/smtpd')
  await using smtpd = await startSmtpd({ values: { ...VALUES, ...dialog.config, notify_classes: classes } })
  await playDialog(dialog, smtpd.port)
  await smtpd.idle()
  void log
  return { notices: newNotices(smtpd.spool.path, new Set()), faults: [...smtpd.reported] }
}

function entry(port: number, { dialog, classes }: Case): string {
  const values = { ...dialog.config, notify_classes: classes }
  const options = Object.entries(values).map(([name, value]) => `-o { ${name} = ${value} }`)
  return `127.0.0.1:${port} inet n - n - - smtpd ${options.join(' ')}`
}

function disconnections({ directory }: RealPostfix): number {
  return readFileSync(join(directory, 'log'), 'utf8').split('\n').filter((line) => line.includes(': disconnect from')).length
}

/** Each class that ours reports, alone; and all others together, for which nothing is sent. */
async function casesOf(dialog: Dialog): Promise<Case[]> {
  const all = await ours(dialog, CLASSES.join(' '))
  const seen = CLASSES.filter((name) => all.faults.some((faults) => isFault(name) && (faults & FAULT[name]) !== 0))
  const cases: Case[] = []
  for (const name of seen) {
    // A session with errors of one class only says the same for that class as for all.
    const expected = seen.length === 1 ? all.notices : (await ours(dialog, name)).notices
    cases.push({ dialog, classes: name, expected })
  }
  const others = CLASSES.filter((name) => !seen.includes(name))
  return [...cases, { dialog, classes: others.join(' '), expected: [] }]
}

function isFault(name: string): name is keyof typeof FAULT {
  return Object.hasOwn(FAULT, name)
}

test('smtpd notices to postmaster are those of the real Postfix, in each class', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-notices-'))
  t.after(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'cert.pem'), `${key}\n${certificate}`)
  await using dovecot = await startDovecot()
  const places = { certificate: join(folder, 'cert.pem'), auth: dovecot.path }
  const only = process.env['DIALOGS'] ?? ''
  const dialogs = readDialogs(join(import.meta.dirname, '../service/smtpd'))
    .filter((dialog) => dialog.only === undefined && new RegExp(only).test(dialog.name)).map((dialog) => placed(dialog, places))
  const cases: Case[] = []
  for (const dialog of dialogs) cases.push(...await casesOf(dialog))
  const ports = await freePorts(cases.length)
  await using real = await startRealPostfix({
    main: VALUES,
    master: [...MAIL_SERVICES, 'tlsmgr unix - - n 1000? 1 tlsmgr', ...cases.map((one, i) => entry(ports[i] ?? 0, one))],
  })
  const seen = new Set<string>()
  for (const [i, { dialog, classes, expected }] of cases.entries()) {
    await t.test(`${dialog.name}: ${classes}`, async () => {
      const before = disconnections(real)
      await playDialog(dialog, ports[i] ?? 0)
      await eventually('the end of the session', () => (disconnections(real) > before ? true : undefined))
      assert.deepEqual(expected, newNotices(join(real.directory, 'queue'), seen))
    })
  }
  return undefined
})
