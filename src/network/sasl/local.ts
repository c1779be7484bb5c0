/**
 * Logins against our own password file: `smtpd_sasl_type = posthorn`.
 *
 * Source: RFC 4616 (PLAIN); draft-murchison-sasl-login (LOGIN).
 *
 * @module
 */
import { log } from '#system/log.ts'
import { asciiUpper } from '#util/ascii.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { PasswordFile } from './password-file.ts'
import { decodeBase64, type SaslExchange, type SaslServer, type SaslStep } from './server.ts'
import { VerifiedPasswords } from './verified.ts'

/** A hash that no password has: verifying against it costs what a real one costs. */
const NOBODY_HASH = '$6$Rf3EkGqk0yH2m1QZ$'
/** Passwords that are verified at once: each costs memory and a core. */
const VERIFIED_AT_ONCE_MAX = 4
const USERNAME_PROMPT = Buffer.from('Username:').toString('base64')
const PASSWORD_PROMPT = Buffer.from('Password:').toString('base64')

/** smtpd_sasl_security_options that leave no mechanism of ours: they all send the password. */
const PLAINTEXT_EXCLUDED: ReadonlySet<string> = new Set(
  ['noplaintext', 'noactive', 'nodictionary', 'forward_secrecy', 'mutual_auth'],
)

class LocalServer implements SaslServer {
  readonly #file: PasswordFile
  readonly #domain: string
  readonly #passwords = new VerifiedPasswords()
  #atWork = 0
  readonly #line: (() => void)[] = []

  constructor(file: PasswordFile, domain: string) {
    this.#file = file
    this.#domain = domain
  }

  mechanisms(options: readonly string[]): readonly string[] {
    return options.some((option) => PLAINTEXT_EXCLUDED.has(option)) ? [] : ['PLAIN', 'LOGIN']
  }

  exchange(mechanism: string, _peer: unknown, options: readonly string[]): SaslExchange {
    const name = asciiUpper(mechanism)
    if (this.mechanisms(options).includes(name)) {
      const check = (user: string, password: string): Promise<SaslStep> => this.#check(user, password)
      return name === 'PLAIN' ? new PlainExchange(check) : new LoginExchange(check)
    }
    const step: SaslStep = { kind: 'failed', reason: `Invalid authentication mechanism: '${mechanism}'` }
    return { start: () => step, respond: () => step, cancel: () => undefined }
  }

  close(): void {
    // Nothing is open.
  }

  async #check(user: string, password: string): Promise<SaslStep> {
    const users = this.#file.users()
    if (users.kind === 'error') {
      log.warning(`SASL: ${users.reason}`)
      return { kind: 'temporary', reason: 'Authentication backend error', username: user }
    }
    const withDomain = user.includes('@') || this.#domain === '' ? user : `${user}@${this.#domain}`
    const name = users.hashes.has(user) ? user : withDomain
    const hash = users.hashes.get(name)
    if (hash !== undefined && this.#passwords.knows(password, hash)) return { kind: 'done', username: name }
    const matches = await this.#verify(password, hash ?? NOBODY_HASH)
    if (matches && hash !== undefined) return { kind: 'done', username: name }
    return { kind: 'failed', reason: 'authentication failure', username: user }
  }

  async #verify(password: string, hash: string): Promise<boolean> {
    if (this.#atWork >= VERIFIED_AT_ONCE_MAX) await new Promise<void>((resolve) => this.#line.push(resolve))
    else this.#atWork++
    try {
      return await this.#passwords.verify(password, hash)
    } finally {
      const next = this.#line.shift()
      if (next === undefined) this.#atWork--
      else next()
    }
  }
}

type Check = (user: string, password: string) => MaybePromise<SaslStep>

const BAD_BASE64: SaslStep = { kind: 'failed', reason: 'Invalid base64 data in continued response' }

/** RFC 4616 §2: authorization identity NUL login NUL password. */
class PlainExchange implements SaslExchange {
  readonly #check: Check

  constructor(check: Check) {
    this.#check = check
  }

  start(initial: string | undefined): MaybePromise<SaslStep> {
    return initial === undefined ? { kind: 'challenge', data: '' } : this.respond(initial)
  }

  respond(response: string): MaybePromise<SaslStep> {
    const bytes = decodeBase64(response)
    if (bytes === undefined) return BAD_BASE64
    const [authorization = '', user = '', password, ...rest] = bytes.toString().split('\0')
    if (password === undefined || rest.length > 0 || user === '') {
      return { kind: 'failed', reason: 'Malformed PLAIN response' }
    }
    // To act for another user is nothing we know: the identity may only repeat the login.
    if (authorization !== '' && authorization !== user) {
      return { kind: 'failed', reason: 'authorization failure', username: user }
    }
    return this.#check(user, password)
  }

  cancel(): void {
    // Nothing is kept.
  }
}

/** User name and password, each after a prompt. */
class LoginExchange implements SaslExchange {
  readonly #check: Check
  #user: string | undefined

  constructor(check: Check) {
    this.#check = check
  }

  start(initial: string | undefined): MaybePromise<SaslStep> {
    return initial === undefined ? { kind: 'challenge', data: USERNAME_PROMPT } : this.respond(initial)
  }

  respond(response: string): MaybePromise<SaslStep> {
    const bytes = decodeBase64(response)
    if (bytes === undefined) return BAD_BASE64
    if (this.#user === undefined) {
      this.#user = bytes.toString()
      return { kind: 'challenge', data: PASSWORD_PROMPT }
    }
    return this.#check(this.#user, bytes.toString())
  }

  cancel(): void {
    this.#user = undefined
  }
}

/** @param domain smtpd_sasl_local_domain: put after a user name that has none. */
export function localSasl(file: PasswordFile, domain: string): SaslServer {
  return new LocalServer(file, domain)
}
