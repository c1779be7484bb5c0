/**
 * resolv.conf(5): which servers to ask, how long, and the search list.
 *
 * Unknown options are skipped, as the system's resolver does.
 */
import { isIP } from 'node:net'

/** Where a name server listens. */
export type ServerAddress = { readonly address: string; readonly port: number }

/** What resolv.conf says, with the system's defaults filled in. */
export type ResolvConf = {
  readonly servers: readonly ServerAddress[]
  readonly search: readonly string[]
  readonly ndots: number
  /** Wait for one server, once. */
  readonly timeoutMs: number
  /** Rounds over all servers. */
  readonly attempts: number
  readonly rotate: boolean
  readonly useTcp: boolean
  /** Whether the AD bit of these servers is believed. */
  readonly trustAd: boolean
}

const DNS_PORT = 53
/** The limits of resolv.conf(5): more is silently cut. */
const SERVERS_MAX = 3
const NDOTS_MAX = 15
const TIMEOUT_SECONDS_MAX = 30
const ATTEMPTS_MAX = 5

type Mutable = { -readonly [K in keyof ResolvConf]: ResolvConf[K] }

/** Reads the text of resolv.conf; no server in it means the one on this machine. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: ServerAddress[] = []
  const conf: Mutable = {
    servers, search: [], ndots: 1, timeoutMs: 5000, attempts: 2, rotate: false, useTcp: false, trustAd: false,
  }
  for (const line of text.split('\n')) {
    if (/^[#;]/.test(line)) continue
    const [keyword, ...words] = line.trim().split(/\s+/)
    if (keyword === 'nameserver') addServer(servers, words[0])
    else if (keyword === 'domain') conf.search = words.slice(0, 1)
    else if (keyword === 'search') conf.search = words
    else if (keyword === 'options') words.forEach((word) => applyOption(conf, word))
  }
  if (servers.length === 0) servers.push({ address: '127.0.0.1', port: DNS_PORT })
  return conf
}

function addServer(servers: ServerAddress[], address: string | undefined): void {
  if (address === undefined || isIP(address) === 0 || servers.length >= SERVERS_MAX) return
  servers.push({ address, port: DNS_PORT })
}

function applyOption(conf: Mutable, word: string): void {
  const [name, value] = word.split(':')
  const number = value !== undefined && /^\d+$/.test(value) ? Number(value) : undefined
  if (name === 'rotate') conf.rotate = true
  else if (name === 'use-vc') conf.useTcp = true
  else if (name === 'trust-ad') conf.trustAd = true
  else if (number === undefined) return
  else if (name === 'ndots') conf.ndots = Math.min(number, NDOTS_MAX)
  else if (name === 'timeout') conf.timeoutMs = Math.min(Math.max(number, 1), TIMEOUT_SECONDS_MAX) * 1000
  else if (name === 'attempts') conf.attempts = Math.min(Math.max(number, 1), ATTEMPTS_MAX)
}

/**
 * Reads one `host:port`, `[ipv6]:port` or bare address of `posthorn_dns_servers`.
 *
 * @throws {SyntaxError} When it is none of these.
 */
export function parseServer(text: string): ServerAddress {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(text)
  const address = match?.[1] ?? match?.[2] ?? text
  const port = match?.[3] === undefined ? DNS_PORT : Number(match[3])
  if (isIP(address) === 0 || port < 1 || port > 65535) throw new SyntaxError(`bad name server address: "${text}"`)
  return { address, port }
}
