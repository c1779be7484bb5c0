/**
 * The server at the far end of a relay, for tests that count: it writes down every message it takes, at the moment it
 * says 250, and knows which rounds of a test the transaction lasted through.
 *
 * Recipients that begin with `reject` are refused for good, those with `later` the first time they are seen.
 */
import { startPeer, type Peer, type PeerServer } from './smtp-peer.ts'

/** One recipient of one message taken. */
export type Taken = {
  /** From `Subject: number N`, of the message itself or of the one it is a notice about. */
  readonly number: number
  readonly recipient: string
  /** The null sender: a notice. */
  readonly notice: boolean
  /** Queue id in the topmost Received: line. */
  readonly queueId: string
  /** The round in which the transaction began. */
  readonly begun: number
  /** The round in which it was acknowledged. */
  readonly ended: number
}

/** A running sink. */
export type Sink = AsyncDisposable & {
  readonly port: number
  readonly taken: readonly Taken[]
  /** Advanced by the test, right before each kill. */
  round: number
}

type Transaction = { readonly sender: string; readonly recipients: string[]; readonly begun: number }

/** The content, or `undefined` when the client went before its end. */
async function readContent(peer: Peer): Promise<string | undefined> {
  const lines: string[] = []
  for (let line = await peer.line(); line !== '.'; line = await peer.line()) {
    if (line === undefined) return undefined
    lines.push(line)
  }
  return lines.join('\n')
}

/** Starts a sink on a free port. */
export async function startSink(): Promise<Sink> {
  const taken: Taken[] = []
  const seen = new Set<string>()
  const state = { round: 0 }

  const recipientReply = (recipient: string): string => {
    if (recipient.startsWith('reject')) return '550 5.1.1 no such user'
    if (!recipient.startsWith('later') || seen.has(recipient)) return '250 2.1.5 Ok'
    seen.add(recipient)
    return '450 4.2.0 come back later'
  }
  const take = (content: string, { sender, recipients, begun }: Transaction): void => {
    const number = Number(/^Subject: number (\d+)$/m.exec(content)?.[1] ?? -1)
    const queueId = /^\tid (\w+)|\bid (\w+);?/m.exec(content)?.slice(1).find((id) => id !== undefined) ?? ''
    for (const recipient of recipients) taken.push({ number, recipient, notice: sender === '', queueId, begun, ended: state.round })
  }
  const script = async (peer: Peer): Promise<void> => {
    let transaction: Transaction = { sender: '', recipients: [], begun: 0 }
    peer.say('220 sink.example ESMTP')
    for (let line = await peer.line(); line !== undefined; line = await peer.line()) {
      const verb = line.slice(0, 4).toUpperCase()
      const address = /<(.*?)>/.exec(line)?.[1] ?? ''
      if (verb === 'EHLO') peer.say('250-sink.example', '250-PIPELINING', '250-8BITMIME', '250 ENHANCEDSTATUSCODES')
      else if (verb === 'MAIL') {
        transaction = { sender: address, recipients: [], begun: state.round }
        peer.say('250 2.1.0 Ok')
      } else if (verb === 'RCPT') {
        const reply = recipientReply(address)
        if (reply.startsWith('2')) transaction.recipients.push(address)
        peer.say(reply)
      } else if (verb === 'DATA') {
        if (transaction.recipients.length === 0) {
          peer.say('554 5.5.1 no valid recipients')
          continue
        }
        peer.say('354 go ahead')
        const content = await readContent(peer)
        if (content === undefined) return
        take(content, transaction)
        peer.say('250 2.0.0 Ok: taken')
      } else if (verb === 'QUIT') {
        peer.say('221 2.0.0 Bye')
        peer.close()
        return
      } else peer.say('250 2.0.0 Ok')
    }
  }
  const server: PeerServer = await startPeer(script)
  return {
    port: server.port,
    taken,
    get round() {
      return state.round
    },
    set round(value) {
      state.round = value
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  }
}
