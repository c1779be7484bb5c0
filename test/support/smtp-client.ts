/** A plain SMTP client for tests: one command at a time, every reply kept. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'

/** A conversation with a server. Closed at the end of an `await using` block. */
export class SmtpClient {
  #socket: Socket
  #text = ''
  #waiting: (() => void) | undefined
  #ended = false

  private constructor(socket: Socket) {
    this.#socket = socket
    this.#listen(socket)
  }

  #listen(socket: Socket): void {
    socket.setEncoding('latin1')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#waiting?.()
    })
    const end = (): void => {
      this.#ended = true
      this.#waiting?.()
    }
    socket.on('close', end).on('error', end)
  }

  /** Connects and reads the greeting, which `greeting` keeps. `from`: the client's own address. */
  static async open(port: number, host = '127.0.0.1', from = ''): Promise<SmtpClient> {
    const client = new SmtpClient(connect({ port, host, ...(from === '' ? {} : { localAddress: from }) }))
    client.greeting = await client.reply()
    return client
  }
  greeting = ''

  /** The same in TLS from the first byte; the certificate is not looked at. */
  static async openTls(port: number, host = '127.0.0.1'): Promise<SmtpClient> {
    const client = new SmtpClient(connectTls({ port, host, rejectUnauthorized: false }))
    client.greeting = await client.reply()
    return client
  }

  /** The encrypted connection, after startTls(). */
  tls: TLSSocket | undefined

  /** Goes on in TLS after STARTTLS; the reply to STARTTLS. The certificate is not looked at. */
  async startTls(options: ConnectionOptions = {}): Promise<string> {
    const reply = await this.command('STARTTLS')
    if (!reply.startsWith('220')) return reply
    this.#socket.removeAllListeners()
    this.tls = connectTls({ ...options, socket: this.#socket, rejectUnauthorized: false })
    this.#socket = this.tls
    this.#listen(this.#socket)
    return reply
  }

  /** The next whole reply, its lines joined by LF; empty when the server has closed. */
  async reply(): Promise<string> {
    for (;;) {
      const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.exec(this.#text)
      if (match) {
        this.#text = this.#text.slice(match[0].length)
        return match[0].replaceAll('\r', '').trimEnd()
      }
      if (this.#ended) return ''
      await new Promise<void>((resolve) => (this.#waiting = resolve))
    }
  }

  /** Sends bytes as they are. */
  write(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** Sends one line, and reads its reply. */
  command(line: string): Promise<string> {
    this.write(`${line}\r\n`)
    return this.reply()
  }

  /** Sends a message in one transaction; the reply to its last step, or the first refusal. */
  async send(from: string, to: readonly string[], message: string, parameters = ''): Promise<string> {
    const steps = [`MAIL FROM:<${from}>${parameters}`, ...to.map((recipient) => `RCPT TO:<${recipient}>`), 'DATA']
    for (const step of steps) {
      const reply = await this.command(step)
      if (!/^[23]/.test(reply)) return reply
    }
    return this.command(`${message.replaceAll(/\r?\n/g, '\r\n').replaceAll(/^\./gm, '..')}\r\n.`)
  }

  [Symbol.dispose](): void {
    this.#socket.destroy()
  }
}

/** One message over one connection; the reply to the end of data, or the first refusal. */
export async function sendMail(port: number, from: string, to: readonly string[], message: string): Promise<string> {
  using client = await SmtpClient.open(port)
  await client.command('EHLO client.example.com')
  const reply = await client.send(from, to, message)
  await client.command('QUIT')
  return reply
}
