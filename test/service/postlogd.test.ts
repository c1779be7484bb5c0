/** The log service, in-process: see src/support/postlogd. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { openLog } from '#system/log.ts'
import { connectDatagram, sendDatagram } from '#system/sockets.ts'
import { lineOf, parseLogLine } from '#support/postlogd/line.ts'
import { setup } from '#support/postlogd/service.ts'
import { until } from '#test/support/master.ts'
import { startWorker } from '#test/support/worker.ts'

test('postlogd appends what programs send, one line a datagram', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-postlogd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'maillog')
  const config = configFrom({ maillog_file: file, maillog_file_prefixes: tmpdir(), maillog_file_permissions: '0640' })
  await using service = await startWorker(setup, { config, type: 'unix-dgram' })
  const log = openLog({ ident: 'postfix/postlog', destination: { kind: 'postlog', path: service.path } })
  log.warning('one')
  log.flush()
  sendDatagram(connectDatagram(service.path, 1000), Buffer.from('Nov 20 09:56:18 host postfix/pickup[7]: two\nlines\0'))
  const text = (): string => (existsSync(file) ? readFileSync(file, 'utf8') : '')
  await until(() => text().includes('lines'), text)
  assert.match(text(), /^\w+ \d\d [\d:]+ \S+ postfix\/postlog\[\d+\]: warning: one\nNov 20 09:56:18 host postfix\/pickup\[7\]: two\?lines\n$/)
  assert.equal(statSync(file).mode & 0o777 & ~process.umask(), 0o640 & ~process.umask())
  log.close()
})

test('postlogd writes JSON when maillog_format says so', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-postlogd-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'maillog')
  const config = configFrom({ maillog_file: file, maillog_file_prefixes: tmpdir(), maillog_format: 'json' })
  await using service = await startWorker(setup, { config, type: 'unix-dgram' })
  sendDatagram(connectDatagram(service.path, 1000), Buffer.from('Nov 20 09:56:18 host postfix/pickup[7]: fatal: oops'))
  await until(() => existsSync(file) && readFileSync(file, 'utf8') !== '', () => 'for the line')
  const { time, host, ...rest } = JSON.parse(readFileSync(file, 'utf8'))
  assert.ok(!Number.isNaN(Date.parse(time)) && host !== '')
  assert.deepEqual(rest, { program: 'postfix/pickup', pid: 7, severity: 'fatal', message: 'oops' })
})

test('parseLogLine() refuses what is no line of a mail program', () => {
  assert.equal(parseLogLine('hello', 0), undefined)
  assert.equal(parseLogLine('', 0), undefined)
  assert.equal(parseLogLine('Nov 20 09:56:18 host postfix/smtpd[12]: connect from x', 0)?.text, 'connect from x')
  assert.equal(lineOf(Buffer.from('a\tb\n\0')), 'a?b')
})
