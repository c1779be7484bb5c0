/** TLS sessions are resumed at any worker of a service, for as long as smtpd_tls_session_cache_timeout says. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SecureVersion } from 'node:tls'
import { selfSignedCertificate } from '#network/certificate.ts'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { eventually, startSystem, type MailSystem } from '#test/support/system.ts'

/** What a client needs to come again, how it has come, and to whom. */
type Visit = { readonly session: Buffer; readonly reused: boolean; readonly pid: string; readonly reply: string }

/** A server, and a client that comes with a session or without. */
class Site implements AsyncDisposable {
  readonly system: MailSystem
  readonly #version: SecureVersion
  #visits = 0

  private constructor(system: MailSystem, version: SecureVersion) {
    this.system = system
    this.#version = version
  }

  static async start(main: Readonly<Record<string, string>>, version: SecureVersion = 'TLSv1.3', master: string[] = []): Promise<Site> {
    const { key, certificate } = await selfSignedCertificate(['mail.example.org'])
    const system = await startSystem({
      main: {
        smtpd_tls_cert_file: '@HOME@/etc/cert.pem', smtpd_tls_key_file: '@HOME@/etc/key.pem', smtpd_tls_security_level: 'may',
        smtpd_tls_loglevel: '1', ...main,
      },
      master, files: { 'cert.pem': certificate, 'key.pem': key },
    })
    return new Site(system, version)
  }

  async visit(session?: Buffer, port = 'smtp'): Promise<Visit> {
    using client = await SmtpClient.open(this.system.port(port))
    return await this.secure(client, session)
  }

  async secure(client: SmtpClient, session?: Buffer): Promise<Visit> {
    await client.command('EHLO client.example.com')
    await client.startTls({ maxVersion: this.#version, ...(session === undefined ? {} : { session }) })
    const { tls } = client
    if (tls === undefined) throw new Error('no TLS')
    let latest: Buffer = Buffer.alloc(0)
    tls.on('session', (bytes: Buffer) => (latest = bytes))
    // Its reply comes after the tickets.
    const reply = await client.command('EHLO client.example.com')
    this.#visits += 1
    const lines = await this.system.waitForLines(/TLS connection established from/, this.#visits)
    const pid = /\[(\d+)\]/.exec(lines.at(-1) ?? '')?.[1] ?? ''
    return { session: latest, reused: tls.isSessionReused(), pid, reply }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.system[Symbol.asyncDispose]()
  }
}

for (const version of ['TLSv1.3', 'TLSv1.2'] as const) {
  test(`smtpd: a session of one worker is resumed at another (${version})`, async () => {
    await using site = await Site.start({ worker_processes: '1' }, version)
    using held = await SmtpClient.open(site.system.port('smtp'))
    const first = await site.secure(held)
    assert.equal(first.reused, false)
    const same = await site.visit(first.session)
    assert.deepEqual([same.reused, same.pid], [true, first.pid])
    // The old worker goes on with the client it has, and a new one takes the next.
    site.system.reload()
    await site.system.waitForLog(/reload/)
    const other = await eventually('another worker', async () => {
      const visit = await site.visit(first.session)
      return visit.pid === first.pid ? undefined : visit
    })
    assert.equal(other.reused, true)
    assert.match(await held.command('NOOP'), /^250/, 'the first worker is still there')
  })
}

test('smtpd: a session is not resumed when smtpd_tls_session_cache_timeout is over; the next keys are good for as long', async () => {
  await using site = await Site.start({ smtpd_tls_session_cache_timeout: '2s' })
  const first = await site.visit()
  await eventually('the end of the session', async () => (await site.visit(first.session)).reused ? undefined : true)
  // Made with new keys, and resumed with them; once more where they were replaced just in between.
  await eventually('a session with the keys of now', async () => (await site.visit((await site.visit()).session)).reused ? true : undefined)
})

test('smtpd: with smtpd_tls_session_cache_timeout = 0 no session is resumed', async () => {
  await using site = await Site.start({ smtpd_tls_session_cache_timeout: '0' })
  const first = await site.visit()
  assert.equal((await site.visit(first.session)).reused, false)
})

test('smtpd: a session of one service is not resumed at another, which may judge certificates otherwise', async () => {
  await using site = await Site.start({}, 'TLSv1.3', ['127.0.0.1:@PORT:submission@ inet n - n - - smtpd -o smtpd_tls_ask_ccert=yes'])
  const first = await site.visit()
  assert.equal((await site.visit(first.session, 'submission')).reused, false)
  assert.equal((await site.visit(first.session)).reused, true)
})

test('smtpd: smtpd_client_new_tls_session_rate_limit counts new sessions, and none that is resumed', async () => {
  await using site = await Site.start({ smtpd_client_new_tls_session_rate_limit: '1', smtpd_client_event_limit_exceptions: '' })
  const first = await site.visit()
  for (let i = 0; i < 3; i++) assert.match((await site.visit(first.session)).reply, /^250-/)
  assert.match((await site.visit()).reply, /^421 4\.7\.0 \S+ Error: too many new TLS sessions from \S+\[127\.0\.0\.1\]$/)
})
