/** postqueue and showq, each with the real other one; and qshape. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { RECORD } from '#queue/record.ts'
import { sendListing } from '#support/showq/serve.ts'
import { judgeAbsent, startJudge } from '#test/support/judge.ts'
import { judgeCommand } from '#test/support/real-postfix.ts'
import { createSpool, messageBytes, recipientRecords, recordBytes, TEST_SENDER, TEST_TIME } from '#test/support/spool.ts'
import { runTool } from '#test/support/tools.ts'
import { createTwoQueues, type StartFile } from '#test/support/two-queues.ts'
import { startWorker } from '#test/support/worker.ts'

const MANY = messageBytes({
  envelope: [...TEST_TIME, [RECORD.sender, '"q\u0001ö'], ...['a@x.example', 'b c@y.example', 'g\udcf6@y.example', 'ö@y.example'].flatMap(recipientRecords),
    [RECORD.recipient, 'c@z.example']],
})
const FILES: readonly StartFile[] = [
  { path: 'deferred/A/AAAAA1', bytes: messageBytes() },
  { path: 'deferred/A/AAAAA2', bytes: MANY },
  { path: 'hold/AAAAA3', bytes: MANY, mode: 0o710 },
  { path: 'active/AAAAA4', bytes: messageBytes({ envelope: [...TEST_TIME, [RECORD.sender, ''], ...recipientRecords('x@y')] }) },
  { path: 'incoming/AAAAA5', bytes: messageBytes(), mode: 0o600 },
  { path: 'maildrop/AAAAA6', bytes: recordBytes([...TEST_TIME, TEST_SENDER, [RECORD.recipient, 'm@y'], [RECORD.message, ''], [RECORD.extracted, ''], [RECORD.end, '']]), mode: 0o744 },
  { path: 'defer/A/AAAAA2', bytes: '\n<a@x.example>: later\nrecipient=a@x.example\noriginal_recipient=o@x\nstatus=4.0.0\nreason=later on\n\n', mode: 0o600 },
  { path: 'bounce/AAAAA2', bytes: '\nrecipient=d@x.example\nreason=never\n\n', mode: 0o600 },
]

/** Runs a real command while this process goes on serving. */
function runBeside(name: string, args: readonly string[], env: Record<string, string>): Promise<string> {
  const [command, ...before] = judgeCommand(name)
  const child = spawn(command, [...before, ...args], { env: { ...process.env, ...env } })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
  child.stderr.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
  return new Promise((resolve, reject) => child.on('error', reject).on('close', () => resolve(text)))
}

test('postqueue reads the queue directly as the real one does, and fails in the same words', (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues(FILES)
  for (const args of [['-p'], ['-j'], ['-f'], ['-i', 'AAAAA1'], ['-i', 'a.b'], ['-s', 'example.net'], ['-s', 'a..b'], [], ['-p', '-j'], ['-z'], ['-c', '/nonexist', '-p']]) {
    const { real, ours } = queues.run('postqueue', args)
    assert.deepEqual(ours, real, `postqueue ${args.join(' ')}`)
  }
})

test('the real postqueue understands our showq', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues(FILES)
  using spool = createSpool()
  const options = { emptyAddress: 'MAILER-DAEMON', utf8: true }
  const served = { ...spool.spool, path: queues.queue('real') }
  await using worker = await startWorker(() => ({ connection: (socket) => sendListing(socket, served, options) }), { type: 'unix' })
  for (const option of ['-p', '-j']) {
    const direct = runTool('ours', 'postqueue', [option], { env: { MAIL_CONFIG: queues.folder('real') } })
    symlinkSync(worker.path, join(queues.queue('real'), 'public', `showq${option}`))
    queues.configure(`showq_service_name = showq${option}`)
    assert.equal(await runBeside('postqueue', [option], { MAIL_CONFIG: queues.folder('real') }), direct.stdout, option)
    queues.configure('')
  }
})

test('our postqueue understands the real showq', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using judge = await startJudge()
  for (const name of ['one', 'two']) {
    const result = await judge.submit(4, recordBytes([[RECORD.time, '1795168578 593490'], TEST_SENDER, [RECORD.recipient, `${name}@example.net`], [RECORD.message, ''],
      [RECORD.text, 'Received: x'], [RECORD.text, 'Subject: x'], [RECORD.text, ''], [RECORD.extracted, ''], [RECORD.end, '']]))
    assert.equal(result.status, 0, judge.log().join('\n'))
  }
  for (const option of ['-p', '-j']) {
    const real = await judge.run('postqueue', [option])
    assert.match(real.stdout, /two@example\.net/)
    assert.equal(runTool('ours', 'postqueue', [option], { env: { MAIL_CONFIG: judge.etc } }).stdout, real.stdout, option)
    assert.equal(runTool('ours', 'mailq', [], { env: { MAIL_CONFIG: judge.etc } }).stdout, (await judge.run('postqueue', ['-p'])).stdout)
  }
})

test('qshape counts as the real one does', (t) => {
  const absent = judgeAbsent() ?? (spawnSync('perl', ['-v']).status === 0 ? undefined : 'no perl here')
  if (absent !== undefined) return t.skip(absent)
  using queues = createTwoQueues([...FILES, ...Array.from({ length: 7 }, (_, i): StartFile => ({
    path: `deferred/B/BBBBBB${i}`, bytes: messageBytes({ envelope: [...TEST_TIME, TEST_SENDER, ...recipientRecords(`u@a${i}.sub.example.net`)] }),
  }))])
  const directories = ['deferred', 'hold', 'active'].map((name) => join(queues.queue('real'), name))
  for (const options of [[], ['-s'], ['-p'], ['-p', '-m', '2'], ['-b', '3', '-t', '1'], ['-l', '-b', '5'], ['-b', '30'], ['-w', '200']]) {
    const real = runTool('real', 'qshape', [...options, ...directories]).stdout.split('\n').toSorted()
    const ours = runTool('ours', 'qshape', [...options, ...directories]).stdout.split('\n').toSorted()
    assert.deepEqual(ours, real, `qshape ${options.join(' ')}`)
  }
})
