/**
 * SASL login: which user for which server, and which mechanism.
 *
 * Source: SASL_README; RFC 4954; smtp_sasl_* in postconf(5).
 */
import type { SMTPConnectionAuth } from 'nodemailer/lib/smtp-connection'
import type { Config } from '#config/config.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { ConnectionBroken } from './engine.ts'
import { parseServerReply, replyFailure, type Failure } from './failure.ts'
import { parameterNames } from './parameter-name.ts'
import type { Session } from './session.ts'

/** A user name and password. */
export type Credentials = { readonly user: string; readonly password: string }

/** The passwords and rules of one service. */
export type SaslClient = {
  readonly enabled: boolean
  /** Credentials for a server; `undefined`: no login. @throws {Error} When a table cannot be asked. */
  credentials(sender: string, host: string, nexthop: string): Promise<Credentials | undefined>
  /** Logs in. @returns Why not. @throws {ConnectionBroken} */
  login(session: Session, credentials: Credentials): Promise<Failure | undefined>
}

/** Mechanisms of the engine, the strongest first, and those that show the password to the server. */
const MECHANISMS: readonly string[] = ['CRAM-MD5', 'PLAIN', 'LOGIN', 'XOAUTH2']
const PLAINTEXT: readonly string[] = ['PLAIN', 'LOGIN', 'XOAUTH2']

/** Opens what smtp_sasl_auth_enable turns on. */
export function openSaslClient(config: Config, lmtp: boolean): SaslClient {
  const pick = parameterNames(lmtp)
  const enabled = config.bool(pick('sasl_auth_enable'))
  const table = pick('sasl_password_maps')
  const passwords = openMaps(table, enabled ? config.str(table) : '', { config, regsub: false })
  const delimiter = config.str(pick('sasl_password_result_delimiter'))
  const bySender = config.bool(pick('sender_dependent_authentication'))
  const softBounce = config.bool(pick('sasl_auth_soft_bounce'))
  const filter = config.list(pick('sasl_mechanism_filter'))
  const options = (secure: boolean): string[] =>
    config.list(pick(secure ? 'sasl_tls_security_options' : 'sasl_security_options')).map((word) => word.toLowerCase())
  if (enabled && passwords.empty) {
    throw new Error(`specify a password table via the \`${table}' configuration parameter`)
  }
  return {
    enabled,
    credentials: (sender, host, nexthop) => {
      const keys = [...(bySender && sender !== '' ? senderKeys(sender) : []), host, nexthop]
      return findCredentials(passwords, keys, delimiter)
    },
    login: async (session, credentials) => {
      const mechanism = chooseMechanism(session.capabilities.auth, options(session.secure), filter)
      if (mechanism === undefined) {
        const reason = `SASL authentication failed: server ${session.namaddr} offered no compatible `
          + 'authentication mechanisms for this type of connection security'
        return { dsn: '4.7.0', reason }
      }
      return logIn(session, credentials, mechanism, softBounce)
    },
  }
}

function senderKeys(sender: string): string[] {
  const at = sender.lastIndexOf('@')
  return at < 0 ? [sender] : [sender, sender.slice(at)]
}

async function findCredentials(
  maps: Maps, keys: readonly string[], delimiter: string,
): Promise<Credentials | undefined> {
  for (const key of keys) {
    const answer = await maps.find(key)
    if (answer.kind === 'error') throw new Error(`${answer.table}: ${answer.reason}`)
    if (answer.kind === 'absent') continue
    const at = answer.value.indexOf(delimiter)
    return at < 0 ? { user: answer.value, password: '' }
      : { user: answer.value.slice(0, at), password: answer.value.slice(at + delimiter.length) }
  }
  return undefined
}

/** The strongest mechanism that server, filter and options allow. */
export function chooseMechanism(
  offered: readonly string[], options: readonly string[], filter: readonly string[],
): string | undefined {
  return MECHANISMS.find((mechanism) => offered.includes(mechanism)
    && !(options.includes('noplaintext') && PLAINTEXT.includes(mechanism)) && passes(mechanism, filter))
}

/** The first word that names the mechanism decides; `static:` matches all. */
function passes(mechanism: string, filter: readonly string[]): boolean {
  if (filter.length === 0) return true
  for (const word of filter) {
    const name = word.replace(/^!/, '')
    if (equalsIgnoreCase(name, mechanism) || name.startsWith('static:')) return !word.startsWith('!')
  }
  return false
}

async function logIn(
  session: Session, { user, password }: Credentials, mechanism: string, softBounce: boolean,
): Promise<Failure | undefined> {
  try {
    await session.engine.authenticate(authOf(user, password, mechanism))
    session.user = user
    return undefined
  } catch (error) {
    if (error instanceof ConnectionBroken) throw error
    const reply = parseServerReply(responseOf(error))
    if (reply.code < 400) {
      const why = error instanceof Error ? error.message : String(error)
      const reason = `SASL authentication failed; cannot authenticate to server ${session.namaddr}: ${why}`
      return { dsn: '4.7.0', reason }
    }
    log.debug(`${session.relay}: AUTH ${mechanism} rejected`)
    const soft = softBounce && reply.dsn.startsWith('5') ? { ...reply, dsn: `4${reply.dsn.slice(1)}` } : reply
    return replyFailure(session.host, soft, `SASL authentication failed; server ${session.namaddr} said: ${reply.text}`)
  }
}

/** What the server said, when the package's error has it. */
function responseOf(error: unknown): string {
  return error instanceof Error && 'response' in error && typeof error.response === 'string' ? error.response : ''
}

/** The package wants a token generator for XOAUTH2; the password is the token. */
function authOf(user: string, pass: string, method: string): SMTPConnectionAuth {
  if (method !== 'XOAUTH2') return { user, pass, method }
  const oauth2 = {
    getToken: (_renew: boolean, done: (error: Error | null, token: string) => void) => done(null, pass),
    buildXOAuth2Token: (token: string) =>
      Buffer.from(`user=${user}\u0001auth=Bearer ${token}\u0001\u0001`).toString('base64'),
  }
  // eslint-disable-next-line typescript/no-unsafe-type-assertion -- the two methods that the package calls
  return { user, method, oauth2: oauth2 as unknown as NonNullable<SMTPConnectionAuth['oauth2']> }
}
