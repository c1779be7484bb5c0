/** The program smtp as the queue manager meets it: see src/deliver/smtp/main.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configFrom } from '#config/load.ts'
import { setUpSmtp } from '#deliver/smtp/main.ts'
import { openClient } from '#service/conversation.ts'
import { isDeliverReply, type DeliverReply, type DeliverRequest } from '#service/deliver.ts'
import { createTestMessage } from '#test/support/delivery.ts'
import { captureLog } from '#test/support/log.ts'
import { answering, startPeer, type Transcript } from '#test/support/smtp-peer.ts'
import { startWorker } from '#test/support/worker.ts'

/** The program at work on a message of its own queue. */
async function serve(program: 'smtp' | 'lmtp', args: readonly string[]): Promise<Transcript & { reply: DeliverReply; log: string[] }> {
  const transcript: Transcript = { commands: [], messages: [] }
  using caught = captureLog(`postfix/${program}`)
  await using server = await startPeer(answering({ capabilities: ['PIPELINING'] }, transcript))
  using message = createTestMessage(`${program === 'lmtp' ? 'inet:' : ''}[127.0.0.1]:${server.port}`)
  const home = process.cwd()
  // Workers stand in the queue directory.
  process.chdir(message.directory)
  try {
    const config = configFrom({ queue_directory: message.directory, myhostname: 'client.example', hash_queue_names: 'deferred' })
    await using worker = await startWorker(setUpSmtp, { config, type: 'unix', name: 'out', program, args })
    const client = openClient<DeliverRequest, DeliverReply>(worker.path, isDeliverReply)
    const reply = await client.request(message.request)
    client.close()
    return { ...transcript, reply, log: caught.texts() }
  } finally {
    process.chdir(home)
  }
}

test('smtp answers a request of the queue manager', async () => {
  const { reply, log, commands } = await serve('smtp', [])
  assert.deepEqual(reply, { status: 0 })
  assert.equal(commands[0], 'EHLO client.example')
  assert.match(log.join('\n'), /4X1: to=<r@mx\.example>, .* status=sent/)
})

test('lmtp is the same program, and reads the flags of master.cf', async () => {
  const { reply, commands, messages } = await serve('lmtp', ['flags=D'])
  assert.deepEqual(reply, { status: 0 })
  assert.equal(commands[0], 'LHLO client.example')
  assert.match(messages[0] ?? '', /^Delivered-To: r@mx\.example\r\n/)
})

test('smtp does not start with parameters that it would have to pass over', async () => {
  const config = configFrom({ smtp_reply_filter: 'static:x', hash_queue_names: 'deferred' })
  await assert.rejects(startWorker(setUpSmtp, { config, type: 'unix', program: 'smtp' }), { message: 'unsupported parameter: smtp_reply_filter' })
})
