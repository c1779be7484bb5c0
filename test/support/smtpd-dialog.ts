/**
 * SMTP dialogs as text files, for our smtpd and for the real one.
 *
 * Lines of a dialog:
 *   # comment
 *   config: name = value     a parameter of the service, before the first line of the dialog
 *   only: posthorn           not for the real Postfix, and why
 *   S: text                  a line that the server sends; `QID` stands for a queue id
 *   S- name                  as many lines of a reply as it takes to its end, whatever they are
 *   C: text                  a line of the client; lines that follow one another are sent in one write
 *   C> text                  bytes of the client, no line end added; `\r`, `\n`, `\xHH` and `{n*text}` are expanded
 *   TLS name                 a handshake, asking for that server name, if any
 *   CLOSED                   the server closes the connection
 *   HANGUP                   the client does
 *   L: text                  a line that smtpd logs, in order, after everything else
 *
 * In values `@CERT@` stands for a file with a key and a certificate, `@AUTH@` for the path of a Dovecot.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { connect as connectTcp, type Socket } from 'node:net'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'

/** One thing that happens. */
export type DialogStep =
  | { readonly kind: 'send'; readonly bytes: Buffer; readonly line: number }
  | { readonly kind: 'expect'; readonly text: string; readonly line: number }
  | { readonly kind: 'skip' | 'tls' | 'closed' | 'hangup'; readonly text: string; readonly line: number }

/** A parsed file. */
export type Dialog = {
  readonly name: string
  readonly config: Readonly<Record<string, string>>
  /** Why it is not for the real Postfix. */
  readonly only: string | undefined
  readonly steps: readonly DialogStep[]
  /** Log lines; undefined: they do not matter. */
  readonly log: readonly string[] | undefined
}

/** A line that never comes is waited for this long. */
const PATIENCE_MS = 20_000

/** A dialog whose values have the places of this run. */
export function placed(dialog: Dialog, places: { readonly certificate: string; readonly auth: string }): Dialog {
  const config = Object.entries(dialog.config).map(([name, value]) => [
    name, value.replaceAll('@CERT@', places.certificate).replaceAll('@AUTH@', places.auth),
  ])
  return { ...dialog, config: Object.fromEntries(config) }
}

/** All dialogs of a folder, by name. */
export function readDialogs(folder: string): Dialog[] {
  return readdirSync(folder).filter((name) => name.endsWith('.txt')).toSorted()
    .map((name) => parseDialog(name.replace(/\.txt$/, ''), readFileSync(join(folder, name), 'utf8')))
}

export function parseDialog(name: string, text: string): Dialog {
  const config: Record<string, string> = {}
  const steps: DialogStep[] = []
  const log: string[] = []
  let only: string | undefined
  text.split('\n').forEach((raw, i) => {
    const line = i + 1
    const [, word = '', rest = ''] = /^([A-Za-z]+[:>-]?) ?(.*)$/.exec(raw) ?? []
    if (raw === '' || raw.startsWith('#')) return
    if (word === 'config:') {
      const [, key = '', value = ''] = /^(\S+) *= *(.*)$/.exec(rest) ?? []
      config[key] = value
    } else if (word === 'only:') only = rest
    else if (word === 'S:') steps.push({ kind: 'expect', text: expand(rest).toString('latin1'), line })
    else if (word === 'S-') steps.push({ kind: 'skip', text: rest, line })
    else if (word === 'C:') add(steps, expand(`${rest}\\r\\n`), line)
    else if (word === 'C>') add(steps, expand(rest), line)
    else if (word === 'TLS') steps.push({ kind: 'tls', text: rest, line })
    else if (word === 'CLOSED') steps.push({ kind: 'closed', text: '', line })
    else if (word === 'HANGUP') steps.push({ kind: 'hangup', text: '', line })
    else if (word === 'L:') log.push(expand(rest).toString('latin1'))
    else throw new Error(`${name}.txt:${line}: unknown line: ${raw}`)
  })
  return { name, config, only, steps, log: log.length === 0 ? undefined : log }
}

function add(steps: DialogStep[], bytes: Buffer, line: number): void {
  const last = steps.at(-1)
  if (last?.kind === 'send') steps[steps.length - 1] = { ...last, bytes: Buffer.concat([last.bytes, bytes]) }
  else steps.push({ kind: 'send', bytes, line })
}

function expand(text: string): Buffer {
  const repeated = text.replaceAll(/\{(\d+)\*([^}]*)\}/g, (_all, n: string, part: string) => part.repeat(Number(n)))
  const bytes = Buffer.from(repeated, 'utf8').toString('latin1')
  const out = bytes.replaceAll(/\\(?:x([0-9a-fA-F]{2})|([rnt\\]))/g, (_all, hex: string | undefined, c: string | undefined) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return { r: '\r', n: '\n', t: '\t', '\\': '\\' }[c ?? ''] ?? ''
  })
  return Buffer.from(out, 'latin1')
}

/** Lines from a socket, one at a time. */
class LineReader {
  #held = ''
  #ended = false
  #wake: () => void = () => undefined

  constructor(socket: Socket) {
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => this.#add(String(chunk)))
    socket.on('close', () => this.#end())
    socket.on('end', () => this.#end())
    socket.on('error', () => this.#end())
  }

  #add(text: string): void {
    this.#held += text
    this.#wake()
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }

  /** The next line; undefined at the end. */
  async line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf('\r\n')
      if (end >= 0) {
        const line = this.#held.slice(0, end)
        this.#held = this.#held.slice(end + 2)
        return line
      }
      if (this.#ended) return this.#held === '' ? undefined : this.#held
      await this.#more()
    }
  }

  async #more(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake = resolve
    const timer = setTimeout(resolve, PATIENCE_MS)
    const before = this.#held
    await promise
    clearTimeout(timer)
    if (this.#held === before && !this.#ended) {
      throw new Error(`nothing came for ${PATIENCE_MS} ms after ${JSON.stringify(before)}`)
    }
  }
}

/** What was said, and what should have been: equal for a dialog that went as written. */
export type Transcript = { readonly expected: string[]; readonly actual: string[] }

/** Plays a dialog with the server at `port`. */
export async function playDialog(dialog: Dialog, port: number): Promise<Transcript> {
  const expected: string[] = []
  const actual: string[] = []
  let socket: Socket = await new Promise((resolve, reject) => {
    const opened = connectTcp(port, '127.0.0.1', () => resolve(opened))
    opened.on('error', reject)
  })
  socket.setNoDelay(true)
  let reader = new LineReader(socket)
  for (const step of dialog.steps) {
    const where = `${dialog.name}.txt:${step.line}: `
    if (step.kind === 'send') {
      socket.write(step.bytes)
    } else if (step.kind === 'expect') {
      expected.push(where + step.text)
      actual.push(where + withoutId(await reader.line() ?? '(closed)'))
    } else if (step.kind === 'skip') {
      while (/^\d\d\d-/.test(await reader.line() ?? '')) continue
    } else if (step.kind === 'closed') {
      expected.push(`${where}(closed)`)
      actual.push(where + (await reader.line() ?? '(closed)'))
    } else if (step.kind === 'tls') {
      socket = await secure(socket, step.text)
      reader = new LineReader(socket)
    }
    if (step.kind === 'hangup' || actual.at(-1) !== expected.at(-1)) break
  }
  const closed = new Promise((resolve) => (socket.destroyed ? resolve(undefined) : socket.once('close', resolve)))
  socket.destroy()
  await closed
  return { expected, actual }
}

function secure(socket: Socket, servername: string): Promise<Socket> {
  socket.removeAllListeners('data')
  return new Promise((resolve, reject) => {
    const secured = connectTls(
      { socket, rejectUnauthorized: false, ...(servername !== '' && { servername }) }, () => resolve(secured),
    )
    secured.once('error', reject)
  })
}

/** `QID` for what has the form of a queue id after words that precede one. */
function withoutId(text: string): string {
  return text.replace(/(queued as )[0-9A-F]{6,}/, '$1QID')
}

/** Log lines of smtpd, without process and queue ids. */
export function comparableLog(lines: readonly string[]): string[] {
  return lines.map(
    (line) => line.replaceAll(/\b[0-9A-F]{10,}(?=: )/g, 'QID').replace(/(\[127\.0\.0\.1\]):\d+/g, '$1:PORT'),
  )
}
