/**
 * The real Postfix and ours with the same parameters, tables and mail: what both do with it is brought into a form in
 * which it can be compared, delivery lines and mail that comes out.
 */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startJudge, type Judge } from './judge.ts'
import { freePorts } from './ports.ts'
import { SmtpClient } from './smtp-client.ts'
import { answering, startPeer, type PeerServer, type Replies, type Transcript } from './smtp-peer.ts'
import { eventually, startSystem, type MailSystem } from './system.ts'

/** Services of the real one besides those that judge.ts starts. */
const DELIVERY: readonly string[] = [
  'qmgr unix n - n 300 1 qmgr', 'smtp unix - - n - - smtp', 'relay unix - - n - - smtp', 'lmtp unix - - n - - lmtp',
  'local unix - n n - - local', 'virtual unix - n n - - virtual', 'error unix - - n - - error',
  'retry unix - - n - - error', 'discard unix - - n - - discard',
]

/** The same words for both: what the built-in ones say is each one's own. */
const TEMPLATES = ['failure', 'delay', 'success', 'verify'].map((name) => [
  `${name}_template = <<EOF`, 'Charset: us-ascii', 'From: MAILER-DAEMON (Mail Delivery System)', `Subject: ${name}`,
  ...(name === 'failure' || name === 'delay' ? [`Postmaster-Subject: Postmaster Copy: ${name}`] : []),
  '', `This is the mail system at host $myhostname, and this is a ${name}.`, 'EOF', '',
].join('\n')).join('\n')

/** Everything goes to a server that writes it down, unless the configuration says otherwise. */
const MAIN: Readonly<Record<string, string>> = {
  myhostname: 'mail.example.org', mydomain: 'example.org', myorigin: 'example.org', mydestination: 'example.org',
  mail_name: 'Postfix', alias_maps: '', alias_database: '', local_recipient_maps: '', virtual_mailbox_domains: '',
  virtual_mailbox_maps: '', default_privs: 'nobody', smtp_tls_security_level: 'none', smtp_address_preference: 'ipv4',
  inet_protocols: 'ipv4', bounce_template_file: '$DIR/templates', in_flow_delay: '0', smtp_helo_timeout: '5s',
  smtp_connection_cache_on_demand: 'no',
  smtpd_peername_lookup: 'no', mynetworks: '127.0.0.0/8', smtpd_recipient_restrictions: 'permit_mynetworks, reject',
}

/** One mail as a server got it: envelope and lines. */
export type Arrived = { readonly from: string; readonly to: readonly string[]; readonly lines: readonly string[] }

/** Parameters of SMTP commands. */
export type SmtpParameters = { readonly mail?: string; readonly rcpt?: string }

/** One of the two. */
export type Twin = {
  /** Submits a message over SMTP. Parameters are for MAIL and RCPT, with a blank before each. */
  send(from: string, to: readonly string[], message: string, parameters?: SmtpParameters): Promise<void>
  /** Waits until nothing is on its way any more; what is deferred stays. */
  settled(): Promise<void>
  /** Lines of these programs without what differs from run to run, sorted. */
  lines(programs: RegExp): string[]
  /** What has come out, sorted, without what differs from run to run. */
  arrived(): Arrived[]
}

/** What to start both with; `$DIR` stands for the folder of their configuration files. */
export type TwinOptions = {
  readonly main?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly master?: readonly string[]
  readonly replies?: Replies
  /** Makes files in a folder of each one's own, which `$BOX` stands for. */
  readonly setup?: (folder: string) => void
}

export type Twins = AsyncDisposable & { readonly real: Twin; readonly ours: Twin }

/** Starts both. Needs the judge, and root. */
export async function startTwins({ main = {}, files = {}, master = [], replies = {}, setup }: TwinOptions): Promise<Twins> {
  const stack = new AsyncDisposableStack()
  try {
    const [first, second] = [await startSink(stack, replies), await startSink(stack, replies)]
    const values = (sink: Sink): Record<string, string> => ({ ...MAIN, relayhost: `[127.0.0.1]:${sink.server.port}`, ...main })
    const boxes = await mkdtemp(join(tmpdir(), 'posthorn-twins-'))
    stack.defer(() => rm(boxes, { recursive: true }))
    const boxOf = async (name: string): Promise<(text: string) => string> => {
      const folder = join(boxes, name)
      await mkdir(folder)
      for (const path of [boxes, folder]) await chmod(path, 0o755)
      setup?.(folder)
      return (text) => text.replaceAll('$BOX', folder)
    }
    const boxed = async (name: string, sink: Sink): Promise<{ main: Record<string, string>; files: Record<string, string>; master: string[] }> => {
      const fill = await boxOf(name)
      return { main: mapValues(values(sink), fill), files: mapValues({ templates: TEMPLATES, ...files }, fill), master: master.map(fill) }
    }
    const [theirs, own] = [await boxed('real', first), await boxed('ours', second)]
    const [port = 0] = await freePorts(1)
    const door = `127.0.0.1:${port} inet n - n - - smtpd`
    const judge = stack.use(await startJudge(theirs.main, { master: [...DELIVERY, door, ...theirs.master], files: theirs.files }))
    const system = stack.use(await startSystem({
      main: mapValues(own.main, etc), master: own.master.map(etc), files: mapValues(own.files, etc),
    }))
    const owned = stack.move()
    return {
      real: realTwin(judge, port, first), ours: ourTwin(system, second),
      [Symbol.asyncDispose]: () => owned[Symbol.asyncDispose](),
    }
  } catch (error) {
    await stack[Symbol.asyncDispose]()
    throw error
  }
}

/** Our systems have another word for the folder of their files. */
function etc(text: string): string {
  return text.replaceAll('$DIR', '@HOME@/etc')
}

function mapValues(given: Readonly<Record<string, string>>, change: (text: string) => string): Record<string, string> {
  return Object.fromEntries(Object.entries(given).map(([key, value]) => [key, change(value)]))
}

/** A server that writes down what each of its clients sends. */
type Sink = { readonly server: PeerServer; readonly clients: readonly Transcript[] }

async function startSink(stack: AsyncDisposableStack, replies: Replies): Promise<Sink> {
  const clients: Transcript[] = []
  const server = stack.use(await startPeer((peer) => {
    const transcript: Transcript = { commands: [], messages: [] }
    clients.push(transcript)
    return answering(replies, transcript)(peer)
  }))
  return { server, clients }
}

function realTwin(judge: Judge, port: number, sink: Sink): Twin {
  return {
    send: (...message) => send(port, ...message),
    settled: () => settled(judge.queue),
    lines: (programs) => comparable(judge.log().map((line) => line.replace(/^.*? judge\//, '')), programs),
    arrived: () => arrivedAt(sink),
  }
}

function ourTwin(system: MailSystem, sink: Sink): Twin {
  return {
    send: (...message) => send(system.port('smtp'), ...message),
    settled: () => settled(system.spool),
    lines: (programs) => comparable(system.log().map((line) => line.replace(/^postfix\//, '')), programs),
    arrived: () => arrivedAt(sink),
  }
}

async function send(
  port: number, from: string, to: readonly string[], message: string, { mail = '', rcpt = '' }: SmtpParameters = {},
): Promise<void> {
  using client = await SmtpClient.open(port)
  const commands = ['EHLO client.example', `MAIL FROM:<${from}>${mail}`, ...to.map((each) => `RCPT TO:<${each}>${rcpt}`), 'DATA']
  for (const command of commands) assert.match(await client.command(command), /^[23]/, command)
  const content = message.replaceAll(/^\./gm, '..').replaceAll('\n', '\r\n')
  assert.match(await client.command(`${content}\r\n.`), /^250/)
  await client.command('QUIT')
}

/** Files under way come and go: only a pause without any means that all is over. */
async function settled(queue: string): Promise<void> {
  let quiet = 0
  await eventually(`an idle queue in ${queue}`, () => {
    const busy = ['maildrop', 'incoming', 'active'].some((name) => readdirSync(join(queue, name)).length > 0)
    quiet = busy ? 0 : quiet + 1
    return quiet > QUIET_LOOKS ? true : undefined
  })
}

const QUIET_LOOKS = 15

function comparable(lines: readonly string[], programs: RegExp): string[] {
  return lines.filter((line) => programs.test(line)).map((line) => neutral(line.replace(/\[\d+\]/, ''))).toSorted()
}

/** Without queue ids, times, ports and process ids. */
function neutral(line: string): string {
  return line
    .replaceAll(/\b(?=[0-9A-F]*\d)[0-9A-F]{8,}\b/g, 'QID').replace(/delay=[\d.]+, delays=[\d./]+/, 'DELAYS')
    .replaceAll(/(127\.0\.0\.1\]?:)\d{4,5}/g, '$1PORT').replaceAll(/conn_use=\d+, /g, '')
    .replaceAll(/\w{3}, [ \d]?\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4} \(\w+\)/g, 'DATE').replaceAll(/\d{14}\.QID/g, 'TIME.QID')
    .replaceAll(/QID\.\d{10}\//g, 'QID.TIME/').replaceAll(/uid \d+|uid=\d+/g, 'uid N')
    .replaceAll(/\/tmp\/\w+\.P\d+(?:Q=?\d*)?\.?/g, '/tmp/QID.P.').replaceAll(/\/tmp\/posthorn-(?:judge|system)-\w+\/(?:etc\b)?/g, 'HOME/').replaceAll(/\/tmp\/posthorn-twins-\w+\/(?:real|ours)/g, 'BOX')
}

function arrivedAt({ clients }: Sink): Arrived[] {
  return clients.flatMap(mailOf).toSorted((a, b) => JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)
}

function mailOf({ commands, messages }: Transcript): Arrived[] {
  const found: Arrived[] = []
  let from = ''
  let to: string[] = []
  let next = 0
  for (const command of commands) {
    if (command.startsWith('MAIL ')) [from, to] = [neutral(command), []]
    else if (command.startsWith('RCPT ')) to.push(neutral(command))
    else if (command === 'DATA') {
      found.push({ from, to: to.toSorted(), lines: (messages[next] ?? '').split('\r\n').map(neutral) })
      next++
    }
  }
  return found
}
