/**
 * The commands of SMTP, and what is special about each.
 *
 * @module
 */
import { counterOf, isCounted } from '#receive/smtpd/counters.ts'
import type { Handler } from '#receive/smtpd/session.ts'
import { asciiLower, asciiUpper } from '#util/ascii.ts'
import { auth } from './auth.ts'
import { bdat, data } from './content.ts'
import { ehlo, helo } from './hello.ts'
import { mail } from './mail.ts'
import { etrn, help, noop, quit, rset, vrfy } from './plain.ts'
import { rcpt } from './rcpt.ts'
import { starttls } from './starttls.ts'
import { xclient } from './xclient.ts'
import { xforward } from './xforward.ts'

/** One command. */
export type Command = {
  readonly name: string
  readonly counter: number
  readonly handler: Handler
  /** Costs the client nothing and brings it nothing: many of them count as errors. */
  readonly junk: boolean
  /** RFC 2920 §3.1: may only be the last of a group. */
  readonly last: boolean
  /** Allowed before STARTTLS where encryption is demanded. RFC 3207 §4: NOOP, EHLO, STARTTLS, QUIT. */
  readonly beforeTls: boolean
}

type Traits = 'junk' | 'last' | 'beforeTls'

const COMMANDS: ReadonlyMap<string, Command> = new Map([
  command('HELO', helo, 'junk', 'last', 'beforeTls'),
  command('EHLO', ehlo, 'junk', 'last', 'beforeTls'),
  command('XCLIENT', xclient, 'beforeTls'),
  command('XFORWARD', xforward),
  command('STARTTLS', starttls, 'beforeTls'),
  command('AUTH', auth),
  command('MAIL', mail),
  command('RCPT', rcpt),
  command('DATA', data, 'last'),
  command('BDAT', bdat),
  command('RSET', rset, 'junk'),
  command('NOOP', noop, 'junk', 'last', 'beforeTls'),
  command('VRFY', vrfy, 'junk', 'last'),
  command('ETRN', etrn, 'junk'),
  command('QUIT', quit, 'beforeTls'),
  command('HELP', help, 'beforeTls'),
])

/** Where unknown commands are counted. */
export const UNKNOWN_COUNTER = counterOf('unknown')

function command(name: string, handler: Handler, ...traits: readonly Traits[]): readonly [string, Command] {
  const has = (trait: Traits): boolean => traits.includes(trait)
  const key = asciiLower(name)
  if (!isCounted(key)) throw new TypeError(`Cannot count ${name}`)
  const counter = counterOf(key)
  return [name, { name, handler, counter, junk: has('junk'), last: has('last'), beforeTls: has('beforeTls') }]
}

/** The command of this name, in any case. */
export function findCommand(name: string): Command | undefined {
  return COMMANDS.get(name) ?? (name.length <= LONGEST ? COMMANDS.get(asciiUpper(name)) : undefined)
}

const LONGEST = 'STARTTLS'.length
