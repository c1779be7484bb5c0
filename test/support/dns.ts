/**
 * Name servers for tests: a resolver over a table, and a real server on loopback.
 *
 * Both take the same zone, so that a case can move from a unit test to a system test.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { createServer, type Server, type Socket } from 'node:net'
import { decode, encode, RECURSION_AVAILABLE, TRUNCATED_RESPONSE, type Answer, type DecodedPacket } from 'dns-packet'
import type { DnsAnswer, Mx, Resolver, Srv, Tlsa } from '#network/dns.ts'
import { canonicalAddress, reverseName } from '#network/dns/hostname.ts'

/** The records of one name. `fail` answers every question with that code; `silent` never answers. */
export type ZoneEntry = {
  readonly mx?: readonly (readonly [preference: number, host: string])[]
  readonly a?: readonly string[]
  readonly aaaa?: readonly string[]
  readonly ptr?: readonly string[]
  readonly txt?: readonly string[]
  readonly ns?: readonly string[]
  readonly cname?: string
  readonly srv?: readonly Srv[]
  readonly tlsa?: readonly Tlsa[]
  readonly fail?: 'SERVFAIL' | 'REFUSED' | 'FORMERR' | 'silent'
}

/** Names to their records. A name that is not in it does not exist. */
export type Zone = Readonly<Record<string, ZoneEntry>>

const TTL_SECONDS = 300
const ALIASES_MAX = 10
const PORT_ATTEMPTS = 20

/** A resolver that knows `zone` and nothing else; `ptr()` takes the entry of the address or of its in-addr.arpa name. */
export function fakeResolver(zone: Zone): Resolver {
  const ask = <T>(name: string, type: string, read: (entry: ZoneEntry) => readonly T[] | undefined): Promise<DnsAnswer<T>> =>
    Promise.resolve(answerFor(zone, name, type, read))
  return {
    mx: (name) => ask<Mx>(name, 'MX', (entry) => entry.mx?.map(([preference, host]) => ({ preference, host }))),
    a: (name) => ask(name, 'A', (entry) => entry.a),
    aaaa: (name) => ask(name, 'AAAA', (entry) => entry.aaaa),
    txt: (name) => ask(name, 'TXT', (entry) => entry.txt),
    ns: (name) => ask(name, 'NS', (entry) => entry.ns),
    srv: (name) => ask(name, 'SRV', (entry) => entry.srv),
    tlsa: (name) => ask(name, 'TLSA', (entry) => entry.tlsa),
    ptr: (address) => ask(zone[address] === undefined ? reverseName(address) ?? address : address, 'PTR', (entry) => entry.ptr),
    native: (name, family) => ask(name, 'A', (entry) => addresses(entry, family)),
    hostsNames: (address) => (zone[`hosts:${canonicalAddress(address)}`]?.ptr ?? []),
    hostsAddresses: (name) => addresses(zone[`hosts:${name}`] ?? {}, 0),
  }
}

function addresses(entry: ZoneEntry, family: 0 | 4 | 6): string[] {
  return [...(family === 6 ? [] : entry.a ?? []), ...(family === 4 ? [] : entry.aaaa ?? [])]
}

function answerFor<T>(
  zone: Zone, name: string, type: string, read: (entry: ZoneEntry) => readonly T[] | undefined,
): DnsAnswer<T> {
  const error = `Host or domain name not found. Name service error for name=${name} type=${type}`
  let owner = name.toLowerCase()
  for (let links = 0; links < ALIASES_MAX; links++) {
    const entry = zone[owner]
    if (entry === undefined) return { kind: 'notfound', exists: false, reason: `${error}: Host not found` }
    if (entry.fail === 'FORMERR') return { kind: 'fail', reason: `${error}: Non-recoverable error` }
    if (entry.fail !== undefined) return { kind: 'retry', reason: `${error}: Host not found, try again` }
    const records = read(entry) ?? []
    if (records.length > 0) return { kind: 'ok', records, ttl: TTL_SECONDS, name: owner, secure: false }
    if (entry.cname === undefined) {
      return { kind: 'notfound', exists: true, reason: `${error}: Host found but no data record of requested type` }
    }
    owner = entry.cname.toLowerCase()
  }
  return { kind: 'retry', reason: `${error}: Malformed or unexpected name server reply` }
}

/** A running name server; `server` is what posthorn_dns_servers takes. */
export type TestDnsServer = AsyncDisposable & {
  readonly server: string
  /** `TYPE name` of every question, in order; those over TCP with `/tcp` at the end. */
  readonly questions: readonly string[]
}

/** How a test server misbehaves. */
export type TestDnsOptions = {
  /** UDP answers larger than this are cut short; default 1232. */
  readonly udpOctetsMax?: number
  /** Changes each answer's bytes before it leaves; `undefined` drops it. */
  readonly mangle?: (bytes: Buffer, over: 'udp' | 'tcp') => Buffer | undefined
}

/** Serves `zone` on a loopback port, over UDP and TCP. */
export async function startDnsServer(zone: Zone, options: TestDnsOptions = {}): Promise<TestDnsServer> {
  const questions: string[] = []
  const tcp = createServer((socket) => serveTcp(socket, zone, questions, options))
  const udp = await bindBoth(tcp)
  const { port } = udp.address()
  const answerUdp = (message: Buffer, peer: RemoteInfo): void => {
    const bytes = respond(zone, message, questions, '')
    if (bytes === undefined) return
    const cut = bytes.length > (options.udpOctetsMax ?? 1232) ? truncated(message) : bytes
    const sent = options.mangle === undefined ? cut : options.mangle(cut, 'udp')
    if (sent !== undefined) udp.send(sent, peer.port, peer.address)
  }
  udp.on('message', (message, peer) => answerUdp(message, peer))
  return {
    server: `127.0.0.1:${port}`,
    questions,
    async [Symbol.asyncDispose]() {
      udp.close()
      await new Promise((resolve) => tcp.close(resolve))
    },
  }
}

/** A UDP socket at a port where `tcp` listens too: what is free for the one may be taken for the other. */
async function bindBoth(tcp: Server): Promise<UdpSocket> {
  for (let attempt = 1; ; attempt += 1) {
    const udp = createSocket('udp4')
    await new Promise<void>((resolve) => udp.bind(0, '127.0.0.1', resolve))
    try {
      await new Promise<void>((resolve, reject) => tcp.once('error', reject).listen(udp.address().port, '127.0.0.1', resolve))
      return udp
    } catch (error) {
      udp.close()
      if (attempt === PORT_ATTEMPTS) throw error
    }
  }
}

function serveTcp(socket: Socket, zone: Zone, questions: string[], options: TestDnsOptions): void {
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    const bytes = respond(zone, chunk.subarray(2), questions, '/tcp')
    const sent = bytes === undefined || options.mangle === undefined ? bytes : options.mangle(bytes, 'tcp')
    if (sent === undefined) return
    const prefix = Buffer.alloc(2)
    prefix.writeUInt16BE(sent.length)
    socket.write(Buffer.concat([prefix, sent]))
  })
}

const RCODES = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 } as const

function respond(zone: Zone, message: Buffer, questions: string[], suffix: string): Buffer | undefined {
  const query = decode(message)
  const [question] = query.questions
  if (question === undefined) return undefined
  questions.push(`${question.type} ${question.name}${suffix}`)
  const answers: Answer[] = []
  let owner = question.name
  let entry = zone[owner.toLowerCase()]
  while (entry?.cname !== undefined && answers.length < ALIASES_MAX) {
    answers.push({ name: owner, type: 'CNAME', ttl: TTL_SECONDS, data: entry.cname })
    owner = entry.cname
    entry = zone[owner.toLowerCase()]
  }
  if (entry?.fail === 'silent') return undefined
  answers.push(...recordsOf(entry, owner, question.type))
  return reply(query, entry === undefined ? 'NXDOMAIN' : entry.fail ?? 'NOERROR', answers)
}

function reply(query: DecodedPacket, rcode: keyof typeof RCODES, answers: Answer[], flags = 0): Buffer {
  return encode({
    id: query.id, type: 'response', flags: RECURSION_AVAILABLE | flags | RCODES[rcode], questions: query.questions, answers,
  })
}

function truncated(message: Buffer): Buffer {
  return reply(decode(message), 'NOERROR', [], TRUNCATED_RESPONSE)
}

function recordsOf(entry: ZoneEntry | undefined, name: string, type: string): Answer[] {
  const data: Readonly<Record<string, readonly unknown[] | undefined>> = {
    MX: entry?.mx?.map(([preference, exchange]) => ({ preference, exchange })),
    A: entry?.a,
    AAAA: entry?.aaaa,
    PTR: entry?.ptr,
    TXT: entry?.txt,
    NS: entry?.ns,
    SRV: entry?.srv?.map(({ host, ...rest }) => ({ ...rest, target: host })),
    TLSA: entry?.tlsa?.map(({ data: certificate, ...rest }) => ({ ...rest, certificate: Buffer.from(certificate) })),
  }
  return (data[type] ?? []).map((datum) => ({ name, type, ttl: TTL_SECONDS, data: datum }))
}
