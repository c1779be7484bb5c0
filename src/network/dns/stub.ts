/**
 * Stub resolver: asks the servers of resolv.conf until one gives a usable answer.
 *
 * Servers that fail, refuse or stay silent are passed over for the next one, in
 * as many rounds as `attempts` says, like the system's resolver. Questions that
 * are asked twice at the same time go out once. Nothing is cached beyond that:
 * a mail server has a caching name server beside it.
 */
import { randomInt } from 'node:crypto'
import { exchange, type Exchange } from './exchange.ts'
import { isValidHostname } from './hostname.ts'
import { ALIASES_MAX, type RawRecord } from './message.ts'
import type { ResolvConf, ServerAddress } from './resolv-conf.ts'
import type { DnsAnswer, LookupOptions, RecordType } from './types.ts'

const ID_LIMIT = 65536

/** Why a name has no usable answer, in the words of the system's resolver. */
const TRY_AGAIN = 'Host not found, try again'
const HOST_NOT_FOUND = 'Host not found'
const NO_DATA = 'Host found but no data record of requested type'
const NO_RECOVERY = 'Non-recoverable error'

type Answer = Extract<Exchange, { kind: 'answer' }>
type Raw = DnsAnswer<RawRecord>

/** Asks for records of one type; follows aliases. */
export type Stub = (name: string, type: RecordType, options?: LookupOptions) => Promise<Raw>

/** A stub resolver over the servers that `conf()` gives at the time of each question. */
export function openStub(conf: () => ResolvConf): Stub {
  const inFlight = new Map<string, Promise<Raw>>()
  return (name, type, options = {}) => {
    const { search = false, defaultDomain = false, dnssec = false } = options
    const key = `${type} ${name} ${search} ${defaultDomain} ${dnssec}`
    const same = inFlight.get(key)
    if (same !== undefined) return same
    const answer = lookup(conf(), name, type, options).then((result) => {
      inFlight.delete(key)
      return result
    })
    inFlight.set(key, answer)
    return answer
  }
}

function lookup(conf: ResolvConf, name: string, type: RecordType, options: LookupOptions): Promise<Raw> {
  const [first = name, ...others] = candidates(conf, name, options)
  const dnssec = options.dnssec ?? false
  if (others.length === 0) return lookupName(conf, first, type, dnssec)
  return lookupFirst(conf, [first, ...others], type, dnssec)
}

async function lookupFirst(
  conf: ResolvConf, names: readonly [string, ...string[]], type: RecordType, dnssec: boolean,
): Promise<Raw> {
  let last: Raw | undefined
  for (const name of names) {
    const answer = await lookupName(conf, name, type, dnssec)
    if (answer.kind !== 'notfound') return answer
    // The name as such is there, without such records: what the rest of the list says matters less.
    if (last?.kind !== 'notfound' || answer.exists) last = answer
  }
  return last ?? notFound(names[0], type, false)
}

/** The names to try for `name`. resolv.conf(5): ndots decides whether it goes first or last. */
export function candidates(conf: ResolvConf, name: string, { search, defaultDomain }: LookupOptions): string[] {
  if (name.endsWith('.') || conf.search.length === 0) return [name]
  const dots = name.split('.').length - 1
  if (search === true) {
    const listed = conf.search.map((domain) => `${name}.${domain}`)
    return dots >= conf.ndots ? [name, ...listed] : [...listed, name]
  }
  return defaultDomain === true && dots === 0 ? [`${name}.${conf.search[0]}`] : [name]
}

async function lookupName(conf: ResolvConf, name: string, type: RecordType, dnssec: boolean): Promise<Raw> {
  let asked = name
  let secure = true
  for (let links = 0; links <= ALIASES_MAX; links++) {
    const answer = await ask(conf, asked, type, dnssec)
    if (typeof answer === 'string') return answer === 'malformed' ? malformed(name, type) : retry(name, type)
    secure &&= answer.secure && conf.trustAd
    const { records, ttl } = answer
    if (records.length > 0) return { kind: 'ok', records, ttl, name: answer.name, secure }
    if (answer.rcode !== 'NOERROR' || !answer.aliased) return withoutRecords(answer, name, type)
    // The chain leaves what this server put into one message.
    asked = answer.name
  }
  return malformed(name, type)
}

/** One answer from any server, or what went wrong with the last of them. */
async function ask(
  conf: ResolvConf, name: string, type: RecordType, dnssec: boolean,
): Promise<Answer | 'retry' | 'malformed'> {
  let problem: 'retry' | 'malformed' = 'retry'
  for (let round = 0; round < conf.attempts; round++) {
    for (const server of inTurn(conf)) {
      const query = { id: randomInt(ID_LIMIT), name, type, dnssec }
      const result = await exchange(server, query, conf.timeoutMs, conf.useTcp)
      if (result.kind === 'answer' && isUsable(result.rcode)) return result
      problem = result.kind === 'malformed' ? 'malformed' : 'retry'
    }
  }
  return problem
}

function inTurn({ servers, rotate }: ResolvConf): readonly ServerAddress[] {
  if (!rotate) return servers
  const first = randomInt(servers.length)
  return [...servers.slice(first), ...servers.slice(0, first)]
}

/** Codes after which another server may know better are not an answer. */
function isUsable(rcode: string): boolean {
  return rcode !== 'SERVFAIL' && rcode !== 'REFUSED' && rcode !== 'NOTIMP'
}

function withoutRecords({ rcode }: Answer, name: string, type: RecordType): Raw {
  if (rcode === 'NOERROR') return notFound(name, type, true)
  if (rcode === 'NXDOMAIN') return notFound(name, type, false)
  return { kind: 'fail', reason: `${serviceError(name, type)}: ${NO_RECOVERY}` }
}

/** The answer for a name or type that is not there. */
export function notFound(name: string, type: RecordType, exists: boolean): Extract<Raw, { kind: 'notfound' }> {
  return { kind: 'notfound', exists, reason: `${serviceError(name, type)}: ${exists ? NO_DATA : HOST_NOT_FOUND}` }
}

function retry(name: string, type: RecordType): Raw {
  return { kind: 'retry', reason: `${serviceError(name, type)}: ${TRY_AGAIN}` }
}

function malformed(name: string, type: RecordType): Raw {
  const reason = `Name service error for name=${name} type=${type}: Malformed or unexpected name server reply`
  return { kind: 'retry', reason }
}

/** The answer for a name that cannot be asked for, or that an answer contains. */
export function invalidName(name: string): Extract<Raw, { kind: 'retry' | 'fail' | 'invalid' }> {
  return { kind: 'invalid', reason: `Name service error for ${name}: invalid host or domain name` }
}

function serviceError(name: string, type: RecordType): string {
  return `Host or domain name not found. Name service error for name=${name} type=${type}`
}

/** Whether `name` can be asked for: a host name, with or without the dot at its end. */
export function canAsk(name: string): boolean {
  return isValidHostname(name.endsWith('.') ? name.slice(0, -1) : name)
}
