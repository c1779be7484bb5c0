/** Delivery into the real smtpd and the real smtp-sink: see src/deliver/smtp/. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readRecords, RECORD } from '#queue/record.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { openTestClient, type ContentLine } from '#test/support/delivery.ts'
import { judgeAbsent, startJudge } from '#test/support/judge.ts'
import { judgeCommand } from '#test/support/real-postfix.ts'

const ATTEMPTS_MAX = 100
const PAUSE_MS = 100

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' ? address?.port ?? 0 : 0
}

/** Waits until something listens on a port. */
async function listening(port: number): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.on('error', () => resolve(false))
    })
    if (open) return
    await pause(PAUSE_MS)
  }
  assert.fail(`nothing listens on port ${port}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill()
  await closed
}

test('content arrives at the real smtpd line by line as it was', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const port = await freePort()
  await using judge = await startJudge(
    { mydestination: 'mx.example', local_recipient_maps: '', smtpd_recipient_restrictions: 'permit_mynetworks, reject', mynetworks: '127.0.0.0/8' },
    { master: [`127.0.0.1:${port} inet n - n - - smtpd`] },
  )
  await listening(port)
  const body: ContentLine[] = ['', '.', '..', '.x', 'x'.repeat(997), 'caf\u00c3\u00a9', { text: 'half ', more: true }, 'line', '', 'end']
  const head = ['From: sender@client.example', 'Subject: interop', 'Message-Id: <i@client.example>', 'Date: Fri, 20 Nov 2026 10:00:00 +0000', 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit']
  await using client = openTestClient({ parameters: { smtp_helo_timeout: '10s', smtp_data_done_timeout: '10s' } })
  const { log } = await client.deliver(`[127.0.0.1]:${port}`, { content: [...head, ...body], request: { encoding: '8bit' } })
  const id = /status=sent \(250 2\.0\.0 Ok: queued as (\w+)\)/.exec(log[0] ?? '')?.[1]
  assert.ok(id !== undefined, [...log, ...judge.log()].join('\n'))
  const lines: string[] = []
  let piece = ''
  for (const { type, data } of readRecords(await judge.file('incoming', id))) {
    if (type !== RECORD.text && type !== RECORD.textPart) continue
    piece += decodeRaw(data)
    if (type === RECORD.textPart) continue
    lines.push(piece)
    piece = ''
  }
  const expected = [...head, '', '.', '..', '.x', 'x'.repeat(997), 'caf\u00e9', 'half line', '', 'end']
  assert.deepEqual(lines.slice(-expected.length), expected)
  assert.equal((await readdir(join(judge.queue, 'incoming'))).length, 1)
})

test('the real smtp-sink takes mail over one connection, with and without extensions', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  const [command, ...before] = judgeCommand('smtp-sink')
  for (const options of [[], ['-P'], ['-e'], ['-8', '-F'], ['-L']]) {
    const port = await freePort()
    const sink = spawn(command, [...before, '-u', 'nobody', ...options, `127.0.0.1:${port}`, '100'], { stdio: 'ignore' })
    try {
      await listening(port)
      await using client = openTestClient({ lmtp: options.includes('-L') })
      const flags = { trace: false, verify: false, userVerify: false, connLoad: true, connStore: true }
      for (let use = 1; use <= 3; use++) {
        const { log, reply } = await client.deliver(`[127.0.0.1]:${port}`, { recipients: ['a@x.example', 'b@x.example'], request: { flags } })
        assert.equal(reply.status, 0, log.join('\n'))
        assert.equal(log.filter((line) => /status=sent \(2\d\d .*\)$/.test(line)).length, 2, log.join('\n'))
        if (use > 1) assert.ok(log.every((line) => line.includes(`conn_use=${use}, `)), log.join('\n'))
      }
    } finally {
      await ended(sink)
    }
  }
})
