/** The policy client against servers of all sorts, on loopback and UNIX sockets. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { endpointName, parsePolicyEndpoint, PolicyClient } from '#access/policy.ts'
import type { PolicyLimits } from '#access/policy.ts'
import { checkSite, logOf, replyOf } from '#test/support/access.ts'

const LIMITS: PolicyLimits = {
  timeoutSeconds: 5, maxIdleSeconds: 300, maxTtlSeconds: 1000, requestLimit: 0, tryLimit: 2, retryDelaySeconds: 0,
}

/** A server that answers each request by `answer`; `undefined` hangs up. */
type PolicyServer = AsyncDisposable & { readonly port: number; readonly requests: string[]; connections: number }

async function serve(answer: (request: string, n: number) => string | undefined, path?: string): Promise<PolicyServer> {
  const requests: string[] = []
  const state = { connections: 0 }
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    state.connections++
    sockets.add(socket)
    let received = ''
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('utf8')
      if (!received.endsWith('\n\n')) return
      requests.push(received)
      const reply = answer(received, requests.length)
      received = ''
      if (reply === undefined) socket.destroy()
      else socket.write(reply)
    })
  })
  await new Promise<void>((resolve) => {
    if (path === undefined) server.listen(0, '127.0.0.1', resolve)
    else server.listen(path, resolve)
  })
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    requests,
    get connections() {
      return state.connections
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function clientOf(port: number, limits: Partial<PolicyLimits> = {}): PolicyClient {
  return new PolicyClient(
    parsePolicyEndpoint(`inet:127.0.0.1:${port}`), { ...LIMITS, ...limits }, () => Promise.resolve(),
  )
}

test('parsePolicyEndpoint() reads UNIX and inet endpoints', () => {
  assert.deepEqual(parsePolicyEndpoint('unix:private/policy'), { kind: 'unix', path: 'private/policy' })
  assert.deepEqual(parsePolicyEndpoint('inet:[::1]:10'), { kind: 'inet', host: '::1', port: 10 })
  assert.deepEqual(parsePolicyEndpoint('inet:10023'), { kind: 'inet', host: 'localhost', port: 10_023 })
  assert.equal(endpointName(parsePolicyEndpoint('inet:127.0.0.1:9')), '127.0.0.1:9')
  for (const bad of ['x', 'inet:', ':x', 'tcp:1.2.3.4:5', 'inet:a:b']) {
    assert.throws(() => parsePolicyEndpoint(bad), bad)
  }
})

test('ask() keeps its connection for the next question', async () => {
  await using server = await serve((_request, n) => `action=dunno ${n}\n\n`)
  const client = clientOf(server.port)
  assert.deepEqual(await client.ask('a=b\n\n'), { action: 'dunno 1', warnings: [] })
  assert.deepEqual(await client.ask('a=c\n\n'), { action: 'dunno 2', warnings: [] })
  assert.deepEqual(server.requests, ['a=b\n\n', 'a=c\n\n'])
  assert.equal(server.connections, 1)
  client.close()
})

test('ask() opens as many connections as there are questions at once, and request_limit closes them', async () => {
  await using server = await serve(() => 'action=OK\n\n')
  const client = clientOf(server.port, { requestLimit: 1 })
  const answers = await Promise.all(['1', '2', '3'].map((n) => client.ask(`n=${n}\n\n`)))
  assert.deepEqual(answers.map(({ action }) => action), ['OK', 'OK', 'OK'])
  await client.ask('n=4\n\n')
  assert.equal(server.connections, 4)
  client.close()
})

test('ask() tries again on a new connection when the server hangs up', async () => {
  await using server = await serve((_request, n) => (n === 2 ? undefined : 'action=OK\n\n'))
  const client = clientOf(server.port)
  assert.equal((await client.ask('n=1\n\n')).action, 'OK')
  const second = await client.ask('n=2\n\n')
  assert.equal(second.action, 'OK')
  assert.deepEqual(
    second.warnings, [`premature end-of-input on 127.0.0.1:${server.port} while reading input attribute name`],
  )
  client.close()
})

test('ask() gives up after try_limit attempts', async () => {
  await using server = await serve(() => 'nonsense\n\n')
  const client = clientOf(server.port, { tryLimit: 3 })
  const { action, warnings } = await client.ask('n=1\n\n')
  assert.equal(action, undefined)
  assert.equal(server.connections, 3)
  assert.equal(warnings.at(-1), `problem talking to server 127.0.0.1:${server.port}: Success`)
  client.close()
})

test('ask() does not wait longer than its time limit', async () => {
  await using server = await serve(() => 'action=OK\n')
  const client = clientOf(server.port, { timeoutSeconds: 0.05, tryLimit: 1 })
  const { action, warnings } = await client.ask('n=1\n\n')
  assert.equal(action, undefined)
  assert.equal(warnings.at(-1), `problem talking to server 127.0.0.1:${server.port}: Connection timed out`)
  client.close()
})

test('ask() says why it cannot connect', async () => {
  const client = new PolicyClient(
    { kind: 'unix', path: join(tmpdir(), 'posthorn-none', 'policy') }, LIMITS, () => Promise.resolve(),
  )
  const { action, warnings } = await client.ask('n=1\n\n')
  assert.equal(action, undefined)
  assert.equal(warnings.length, 3)
  assert.match(warnings[0] ?? '', /^connect to .*policy: No such file or directory$/)
})

test('check_policy_service sends the session and obeys', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'posthorn-policy-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'policy')
  await using server = await serve(
    (request) => (request.includes('policy_context=ctx') ? 'action=DEFER Greylisted\n\n' : 'action=DUNNO\n\n'), path,
  )
  const plain = await checkSite({ smtpd_recipient_restrictions: `check_policy_service unix:${path}` })
  assert.equal(replyOf(plain), 'ok')
  const named = await checkSite({
    smtpd_recipient_restrictions: `check_policy_service { unix:${path}, policy_context=ctx, timeout=5s }`,
  })
  assert.equal(replyOf(named), '450 4.7.1 <user@example.org>: Recipient address rejected: Greylisted')
  assert.deepEqual(server.requests[0]?.split('\n'), [
    'request=smtpd_access_policy', 'protocol_state=RCPT', 'protocol_name=ESMTP', 'client_address=203.0.113.7',
    'client_name=client.example',
    'client_port=40000', 'reverse_client_name=client.example', 'server_address=192.0.2.1', 'server_port=25',
    'helo_name=helo.example',
    'sender=sender@client.example', 'recipient=user@example.org', 'recipient_count=0', 'queue_id=', 'instance=1.2.3',
    'size=0', 'etrn_domain=', 'stress=', 'sasl_method=', 'sasl_username=', 'sasl_sender=', 'ccert_subject=',
    'ccert_issuer=',
    'ccert_fingerprint=',
    'ccert_pubkey_fingerprint=', 'encryption_protocol=', 'encryption_cipher=', 'encryption_keysize=0',
    'policy_context=',
    'compatibility_level=3.11', 'mail_version=3.11.7', '', '',
  ])
})

test('check_policy_service falls back to the default action', async () => {
  const none = 'unix:/nonexistent/policy'
  const failed = await checkSite({ smtpd_recipient_restrictions: `check_policy_service ${none}` })
  assert.equal(
    replyOf(failed), '451 4.3.5 <user@example.org>: Recipient address rejected: Server configuration problem',
  )
  assert.ok(logOf(failed).includes('warning: problem talking to server /nonexistent/policy: No such file or directory'))
  const lenient = await checkSite({
    smtpd_recipient_restrictions: `check_policy_service { ${none} default_action=DUNNO }`,
  })
  assert.equal(replyOf(lenient), 'ok')
  const circular = await checkSite({
    smtpd_recipient_restrictions: `check_policy_service { ${none} { default_action = ours } }`,
    smtpd_restriction_classes: 'ours',
    ours: `check_policy_service { ${none} { default_action = ours } }`,
  })
  assert.equal(
    replyOf(circular), '451 4.3.5 <user@example.org>: Recipient address rejected: Server configuration problem',
  )
  await assert.rejects(
    checkSite({ smtpd_recipient_restrictions: 'check_policy_service { inet:1 foo=bar }' }),
    /unknown attribute name: "foo"/,
  )
  await assert.rejects(
    checkSite({ smtpd_recipient_restrictions: 'check_policy_service nothing' }), /need service transport:endpoint/,
  )
})
