/** `npm start` as a new user meets it: see src/commands/start-home.ts, conf/home. */
import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SmtpClient } from '#test/support/smtp-client.ts'
import { eventually, freePort } from '#test/support/system.ts'

const ROOT = join(import.meta.dirname, '../..')
const ADDRESS = 'demo@posthorn.localhost'
const DOORS = ['2525', '2587', '2465'] as const

/** A folder as POSTHORN_HOME, with ports of its own in master.cf. */
class Home {
  readonly path = mkdtempSync(join(tmpdir(), 'posthorn-home-'))
  readonly ports = new Map<string, number>()
  #child: ChildProcess | undefined

  static async create(): Promise<Home> {
    const home = new Home()
    // As root the workers run as another user.
    chmodSync(home.path, 0o755)
    mkdirSync(home.etc)
    let master = readFileSync(join(ROOT, 'conf/home/master.cf'), 'utf8')
    for (const door of DOORS) {
      const port = await freePort()
      home.ports.set(door, port)
      master = master.replace(`127.0.0.1:${door} `, `127.0.0.1:${port} `)
    }
    writeFileSync(join(home.etc, 'master.cf'), master)
    return home
  }

  get etc(): string {
    return join(this.path, 'etc')
  }

  port(door: (typeof DOORS)[number]): number {
    return this.ports.get(door) ?? 0
  }

  log(): string {
    return existsSync(join(this.path, 'maillog')) ? readFileSync(join(this.path, 'maillog'), 'utf8') : ''
  }

  mail(): string[] {
    const folder = join(this.path, 'mail/demo/new')
    return existsSync(folder) ? readdirSync(folder).toSorted() : []
  }

  /** Files of etc/ and what is in them. */
  configuration(): Map<string, string> {
    return new Map(readdirSync(this.etc).toSorted().map((name) => [name, readFileSync(join(this.etc, name), 'utf8')]))
  }

  /** Starts; resolves with what was printed, once the mail system runs. */
  async start(): Promise<string> {
    const before = this.log().split('daemon started').length
    let said = ''
    const child = spawn(process.execPath, [join(ROOT, 'src/commands/start-home.ts')], {
      cwd: tmpdir(), env: { ...process.env, POSTHORN_HOME: this.path }, stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#child = child
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { said += chunk.toString() })
    await eventually('start', () => {
      if (child.exitCode !== null) throw new Error(`npm start ended with ${child.exitCode}: ${said}\n${this.log()}`)
      return this.log().split('daemon started').length > before ? true : undefined
    })
    return said
  }

  /** Ctrl-C; the exit status. */
  async interrupt(): Promise<number | null> {
    const child = this.#child
    if (!child || child.exitCode !== null) return null
    const ended = new Promise<number | null>((resolve) => child.on('exit', (status) => resolve(status)))
    child.kill('SIGINT')
    return ended
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.interrupt()
    rmSync(this.path, { recursive: true, force: true })
  }
}

const MESSAGE = 'Subject: hello\n\ntext\n'
const QUEUED = /^250 2\.0\.0 Ok: queued as /

function plain(password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${ADDRESS}\0${password}`).toString('base64')}`
}

/** Runs sendmail or mailq with `-C`, from another folder. */
async function command(home: Home, name: string, args: readonly string[], input: string): Promise<{ status: number | null; text: string }> {
  const child = spawn(process.execPath, [join(ROOT, `src/commands/${name}/main.ts`), '-C', home.etc, ...args], { cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { text += chunk.toString() })
  child.stdin.end(input)
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, text })))
}

test('npm start', async (t) => {
  await using home = await Home.create()
  const said = await home.start()
  const password = readFileSync(join(home.etc, 'demo-password'), 'utf8').trim()

  await t.test('says what to type next, with the ports of master.cf', () => {
    for (const port of home.ports.values()) assert.ok(said.includes(`127.0.0.1:${port}`), said)
    for (const part of [password, 'swaks -s', 'dist/bin/sendmail -C', join(home.path, 'mail/demo/new'), 'Ctrl-C']) assert.ok(said.includes(part), part)
  })

  await t.test('takes mail for its own domain on the port for servers, and relays nothing', async () => {
    using client = await SmtpClient.open(home.port('2525'))
    await client.command('EHLO client.example.com')
    assert.match(await client.send('x@example.com', [ADDRESS, 'root@localhost'], MESSAGE), QUEUED)
    await client.command('MAIL FROM:<x@example.com>')
    assert.match(await client.command('RCPT TO:<y@example.net>'), /^554 5\.7\.1 .*Relay access denied/)
  })

  await t.test('takes mail of the account on the submission ports, after TLS and AUTH', async () => {
    using client = await SmtpClient.open(home.port('2587'))
    assert.doesNotMatch(await client.command('EHLO client.example.com'), /AUTH/)
    assert.match(await client.command('MAIL FROM:<x@example.com>'), /^530 /)
    await client.startTls()
    await client.command('EHLO client.example.com')
    await client.command('MAIL FROM:<x@example.com>')
    assert.match(await client.command(`RCPT TO:<${ADDRESS}>`), /^554 5\.7\.1 .*Client host rejected: Access denied/)
    await client.command('RSET')
    assert.match(await client.command(plain('wrong')), /^535 /)
    assert.match(await client.command(plain(password)), /^235 /)
    assert.match(await client.send(ADDRESS, [ADDRESS], MESSAGE), QUEUED)
    using implicit = await SmtpClient.openTls(home.port('2465'))
    await implicit.command('EHLO client.example.com')
    assert.match(await implicit.command(plain(password)), /^235 /)
    assert.match(await implicit.send(ADDRESS, [ADDRESS], MESSAGE), QUEUED)
  })

  await t.test('takes mail of sendmail, and delivers it all', async () => {
    assert.deepEqual(await command(home, 'sendmail', ['postmaster@posthorn.localhost'], MESSAGE), { status: 0, text: '' })
    await eventually(`five messages in mail/; the log:\n${home.log()}`, () => (home.mail().length === 5 ? true : undefined))
    assert.deepEqual(await command(home, 'mailq', [], ''), { status: 0, text: 'Mail queue is empty\n' })
  })

  await t.test('stops at Ctrl-C with status 0, and keeps everything for the next start', async () => {
    const before = { configuration: home.configuration(), mail: home.mail() }
    assert.equal(await home.interrupt(), 0)
    assert.match(home.log(), /master\[\d+\]: terminating on signal 15/)
    assert.doesNotMatch(home.log(), /: (?:warning|error|fatal|panic): (?!.*(?:SASL PLAIN authentication failed|owned by|writable))/)
    assert.doesNotMatch(await home.start(), /Wrote/)
    assert.deepEqual({ configuration: home.configuration(), mail: home.mail() }, before)
    using client = await SmtpClient.open(home.port('2525'))
    await client.command('EHLO client.example.com')
    assert.match(await client.send('x@example.com', [ADDRESS], MESSAGE), QUEUED)
    await eventually('one more message', () => (home.mail().length === 6 ? true : undefined))
    assert.equal(await home.interrupt(), 0)
  })
})
