/**
 * Dovecot's authentication service, as far as its protocol goes: bob has the password `secret`; `later` fails for now,
 * `why` with a reason, `gone` ends the connection.
 */
import { createServer, type Server, type Socket } from 'node:net'
import { tcpPort } from '#test/support/ports.ts'

/** A running service. */
export type TestDovecot = AsyncDisposable & {
  /** As smtpd_sasl_path has it. */
  readonly path: string
  /** Lines that clients have sent. */
  readonly lines: readonly string[]
}

const GREETING = [
  'VERSION\t1\t2', 'MECH\tPLAIN\tplaintext', 'MECH\tLOGIN\tplaintext', 'MECH\tCRAM-MD5\tdictionary\tactive', 'MECH\tANONYMOUS\tanonymous',
  'MECH\tDOVECOT-TOKEN\tprivate', 'SPID\t1', 'CUID\t1', 'COOKIE\tabc', 'DONE', '',
].join('\n')

const base64 = (text: string): string => Buffer.from(text).toString('base64')

/** Starts one, on a loopback port. */
export async function startDovecot(): Promise<TestDovecot> {
  const lines: string[] = []
  const sockets = new Set<Socket>()
  const server: Server = createServer((socket) => {
    sockets.add(socket)
    serve(socket, lines)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    path: `inet:127.0.0.1:${tcpPort(server)}`,
    lines,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function serve(socket: Socket, lines: string[]): void {
  const users = new Map<string, string>()
  let held = ''
  socket.on('error', () => socket.destroy())
  socket.setEncoding('utf8')
  socket.write(GREETING)
  socket.on('data', (chunk) => {
    held += String(chunk)
    const whole = held.split('\n')
    held = whole.pop() ?? ''
    for (const line of whole) {
      lines.push(line)
      answer(socket, users, line.split('\t'))
    }
  })
}

function decode(text: string | undefined): string {
  return Buffer.from(text ?? '', 'base64').toString()
}

function answer(socket: Socket, users: Map<string, string>, fields: readonly string[]): void {
  const [command, id = '', name] = fields
  const mechanism = name?.toUpperCase()
  if (command === 'AUTH') {
    const response = fields.find((field) => field.startsWith('resp='))?.slice(5)
    if (mechanism === 'PLAIN' && response !== undefined) plain(socket, id, decode(response))
    else if (mechanism === 'PLAIN') socket.write(`CONT\t${id}\t\n`)
    else if (mechanism === 'LOGIN' && response !== undefined) askPassword(socket, users, id, decode(response))
    else if (mechanism === 'LOGIN') socket.write(`CONT\t${id}\t${base64('Username:')}\n`)
    else socket.write(`CONT\t${id}\t${base64('<challenge>')}\n`)
  } else if (command === 'CONT') {
    const text = decode(fields[2])
    const user = users.get(id)
    if (text.includes('\0')) plain(socket, id, text)
    else if (user !== undefined) decide(socket, id, user, text)
    else askPassword(socket, users, id, text)
  }
}

function askPassword(socket: Socket, users: Map<string, string>, id: string, user: string): void {
  users.set(id, user)
  socket.write(`CONT\t${id}\t${base64('Password:')}\n`)
}

function plain(socket: Socket, id: string, text: string): void {
  const [, user = '', password = ''] = text.split('\0')
  decide(socket, id, user, password)
}

function decide(socket: Socket, id: string, user: string, password: string): void {
  if (user === 'gone') socket.destroy()
  else if (user === 'later') socket.write(`FAIL\t${id}\tuser=${user}\ttemp\n`)
  else if (user === 'why') socket.write(`FAIL\t${id}\tuser=${user}\treason=Password expired\n`)
  else if (password === 'secret') socket.write(`OK\t${id}\tuser=${user}\n`)
  else socket.write(`FAIL\t${id}\tuser=${user}\n`)
}
