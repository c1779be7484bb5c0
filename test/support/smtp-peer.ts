/**
 * A mail server for tests that says what it is told to: replies by command, or a
 * dialog written out step by step.
 */
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'

/** One client of a scripted server. */
export class Peer {
  #socket: Socket
  #received = ''
  #ended = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  /** Sends lines, each with its CRLF. */
  say(...lines: readonly string[]): void {
    this.#socket.write(lines.map((line) => `${line}\r\n`).join(''), 'latin1')
  }

  /** The next line without its end; `undefined` when the client is gone. */
  async line(): Promise<string | undefined> {
    for (let end = this.#received.indexOf('\r\n'); ; end = this.#received.indexOf('\r\n')) {
      if (end >= 0) {
        const line = this.#received.slice(0, end)
        this.#received = this.#received.slice(end + 2)
        return line
      }
      if (this.#ended) return undefined
      await new Promise<void>((resolve) => (this.#wake = resolve))
    }
  }

  /** The content up to the final dot, as it came over the wire; what came when the client left before that. */
  async data(): Promise<string> {
    let content = ''
    for (let line = await this.line(); line !== undefined && line !== '.'; line = await this.line()) content += `${line}\r\n`
    return content
  }

  /** Whether bytes are there that nobody has asked for: what the client sent without waiting. */
  get waiting(): string {
    return this.#received
  }

  /** Goes on in TLS as the server. */
  startTls(key: string, cert: string): void {
    this.#socket.removeAllListeners('data')
    this.#socket = new TLSSocket(this.#socket, { isServer: true, secureContext: createSecureContext({ key, cert }) })
    this.#listen()
  }

  /** Closes politely. */
  close(): void {
    this.#socket.end()
  }

  /** Closes with a reset. */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  #listen(): void {
    const ended = (): void => {
      this.#ended = true
      this.#wake?.()
    }
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1')
      this.#wake?.()
    })
    this.#socket.on('end', ended)
    this.#socket.on('close', ended)
    this.#socket.on('error', ended)
  }
}

/** A running server. */
export type PeerServer = AsyncDisposable & {
  readonly port: number
  /** Sockets taken so far. */
  readonly connections: number
}

/** Starts a server that plays `script` with every client. A script that throws ends its connection. */
export async function startPeer(
  script: (peer: Peer, connection: number) => Promise<void> | void, path?: string, host = '127.0.0.1',
): Promise<PeerServer> {
  let connections = 0
  const sockets = new Set<Socket>()
  const scripts = new Set<Promise<void>>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('close', () => sockets.delete(socket))
    const peer = new Peer(socket)
    scripts.add(Promise.resolve(script(peer, connections++)).catch(() => void socket.destroy()))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    if (path === undefined) server.listen(0, host, resolve)
    else server.listen(path, resolve)
  })
  const address = server.address()
  return {
    port: isInet(address) ? address.port : 0,
    get connections() {
      return connections
    },
    async [Symbol.asyncDispose]() {
      // Clients are gone by now: scripts end by themselves, and what they write down is complete.
      await Promise.all(scripts)
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function isInet(address: string | AddressInfo | null): address is AddressInfo {
  return typeof address === 'object' && address !== null
}

/** What a server with fixed replies says. `undefined` closes the connection without a word. */
export type Replies = {
  readonly greeting?: string
  /** Keywords after the first EHLO line. */
  readonly capabilities?: readonly string[]
  readonly ehlo?: string
  readonly helo?: string
  readonly mail?: string
  /** By recipient, or one for all. */
  readonly rcpt?: string | ((address: string) => string)
  readonly data?: string
  readonly dot?: string | readonly string[]
  readonly rset?: string
  readonly xforward?: string
  readonly auth?: string
  readonly starttls?: string
  /** Close instead of answering this command; `content`: in the middle of the content. */
  readonly dropAt?: string
  /** Never answer this command. */
  readonly silentAt?: string
}

/** What clients have sent. */
export type Transcript = { readonly commands: string[]; readonly messages: string[] }

/** A script that answers with fixed replies, and writes down what it gets. */
export function answering(replies: Replies = {}, transcript: Transcript = { commands: [], messages: [] }): (peer: Peer) => Promise<void> {
  return async (peer) => {
    if (!await say(peer, 'greeting', replies.greeting ?? '220 mx.example ESMTP', replies)) return
    for (let line = await peer.line(); line !== undefined; line = await peer.line()) {
      transcript.commands.push(line)
      const verb = line.split(' ')[0]?.toLowerCase() ?? ''
      if (!await say(peer, verb, replyTo(verb, line, replies), replies)) return
      if (verb === 'quit') return peer.close()
      if (verb !== 'data' || !(replies.data ?? '354 go ahead').startsWith('3')) continue
      if (replies.dropAt === 'content') {
        await peer.line()
        return peer.reset()
      }
      transcript.messages.push(await peer.data())
      for (const reply of [replies.dot ?? '250 2.0.0 Ok: queued as 4X9'].flat()) if (!await say(peer, 'dot', reply, replies)) return
    }
  }
}

/** @returns Whether to go on. */
async function say(peer: Peer, step: string, reply: string, { dropAt, silentAt }: Replies): Promise<boolean> {
  if (dropAt === step) {
    peer.close()
    return false
  }
  if (silentAt === step) {
    await peer.line()
    return false
  }
  peer.say(reply)
  return true
}

function replyTo(verb: string, line: string, replies: Replies): string {
  const rcpt = /^RCPT TO:<(.*?)>/i.exec(line)?.[1] ?? ''
  switch (verb) {
    case 'ehlo':
    case 'lhlo':
      return replies.ehlo ?? ['250-mx.example', ...(replies.capabilities ?? []).map((word) => `250-${word}`), '250 ENHANCEDSTATUSCODES'].join('\r\n')
    case 'helo':
      return replies.helo ?? '250 mx.example'
    case 'mail':
      return replies.mail ?? '250 2.1.0 Ok'
    case 'rcpt':
      return typeof replies.rcpt === 'function' ? replies.rcpt(rcpt) : replies.rcpt ?? '250 2.1.5 Ok'
    case 'data':
      return replies.data ?? '354 go ahead'
    case 'rset':
      return replies.rset ?? '250 2.0.0 Ok'
    case 'auth':
      return replies.auth ?? '502 5.5.1 no'
    case 'starttls':
      return replies.starttls ?? '502 5.5.1 no'
    case 'xforward':
      return replies.xforward ?? '250 2.0.0 Ok'
    case 'quit':
      return '221 2.0.0 Bye'
    default:
      return '500 5.5.1 unknown'
  }
}
