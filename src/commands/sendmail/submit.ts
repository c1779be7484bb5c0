/**
 * Mail that is submitted with sendmail: envelope, content from standard input, and
 * with `-t` the recipients found in it.
 *
 * @module
 */
import { join } from 'node:path'
import { CommandExit } from '#commands/getopt.ts'
import { STATUS, statusDetail } from '#cleanup/status.ts'
import type { Config } from '#config/config.ts'
import { internalAddress } from '#mail/address.ts'
import { addressesOf } from '#mail/address-list.ts'
import { RECORD, sizePayload } from '#queue/record.ts'
import { errnoText } from '#system/errno.ts'
import { getpwuid, type User } from '#system/users.ts'
import { openMatchList } from '#tables/match-list.ts'
import { asciiUpper } from '#util/ascii.ts'
import { Drop, DropError } from './drop.ts'
import { HeaderRecipients } from './header-recipients.ts'
import { MessageLines, type LineEndings } from './lines.ts'
import type { Complaints, SendmailOptions } from './options.ts'

/** Bits of trace_flags. */
const TRACE_VERIFY = 512
const TRACE_RECORD = 1024
/** Send options of the size record. */
const SMTPUTF8_REQUESTED = 1
const REQUIRE_TLS = 32
const ENDINGS: readonly LineEndings[] = ['always', 'strict', 'never']

/** What a submission needs from its surroundings. */
export type SubmitTools = {
  readonly config: Config
  readonly complaints: Complaints
  readonly input: AsyncIterable<Uint8Array>
  print(text: string): void
}

/** Submits one message. @throws {CommandExit} */
export async function submit(options: SendmailOptions, tools: SubmitTools): Promise<void> {
  await refuseUnlisted(tools)
  const submission = new Submission(options, tools)
  await submission.run()
}

/** postdrop enforces this; here it makes for a better message. */
export async function refuseUnlisted({ config, complaints }: Pick<SubmitTools, 'config' | 'complaints'>): Promise<void> {
  const uid = process.getuid?.() ?? 0
  const name = getpwuid(uid)?.name ?? 'unknown'
  const list = openMatchList('authorized_submit_users', config.str('authorized_submit_users'), 'string', { config })
  if ((await list.match(name)) !== true) complaints.fatal(`User ${name}(${uid}) is not allowed to submit mail`)
}

class Submission {
  readonly #options: SendmailOptions
  readonly #tools: SubmitTools
  readonly #uid = process.getuid?.() ?? 0
  readonly #user: User | undefined = getpwuid(this.#uid)
  readonly #sender: string
  #recipients = 0

  constructor(options: SendmailOptions, tools: SubmitTools) {
    this.#options = options
    this.#tools = tools
    this.#sender = this.#envelopeSender()
  }

  async run(): Promise<void> {
    const { config, complaints } = this.#tools
    // Before the child runs, so that nothing is left behind.
    const endings = this.#lineEndings()
    const drop = new Drop(config)
    try {
      await drop.open()
      this.#envelope(drop)
      await this.#content(drop, endings)
      drop.record(RECORD.end, '')
      await this.#finish(drop)
    } catch (error) {
      if (!(error instanceof DropError)) {
        await drop.cancel()
        throw error
      }
      const command = `${join(config.str('command_directory'), 'postdrop')} -r`
      if (error.status !== undefined) complaints.warn(`command "${command}" exited with status ${error.status}`)
      complaints.fatal(`${this.#who()}: unable to execute ${command}: ${error.message}`)
    }
  }

  /** How error texts name the sender. */
  #who(): string {
    return `${this.#sender}(${this.#uid})`
  }

  #fail(text: string): never {
    return this.#tools.complaints.fatal(`${this.#who()}: ${text}`)
  }

  #envelopeSender(): string {
    const { sender } = this.#options
    if (sender === undefined) {
      if (this.#user !== undefined) return this.#user.name
      return this.#tools.complaints.fatal(`no login name found for user ID ${this.#uid}`)
    }
    const [first = '', ...others] = addressesOf(sender).map(internalAddress)
    if (others.length > 0) this.#tools.complaints.warn(`-f option specified malformed sender: ${sender}`)
    return first
  }

  #lineEndings(): LineEndings {
    const value = this.#tools.config.str('sendmail_fix_line_endings')
    return ENDINGS.find((known) => known === value)
      ?? this.#tools.complaints.fatal(`invalid sendmail_fix_line_endings value: ${value}`)
  }

  #envelope(drop: Drop): void {
    const { envelopeId, returnFlags, context, encoding, verp, recipients } = this.#options
    const sendOptions = this.#sendOptions()
    if (sendOptions !== 0) drop.record(RECORD.size, sizePayload({ ...UNKNOWN_SIZE, sendOptions }))
    if (envelopeId !== undefined) drop.record(RECORD.attribute, `envelope_id=${envelopeId}`)
    if (returnFlags !== 0) drop.record(RECORD.attribute, `ret_flags=${returnFlags}`)
    drop.record(RECORD.attribute, `rewrite_context=${context}`)
    const fullName = this.#options.fullName ?? fullNameOf(this.#user)
    if (fullName !== undefined) drop.record(RECORD.fullName, fullName)
    drop.record(RECORD.sender, this.#sender)
    if (verp !== undefined && this.#sender === '') this.#fail('-V option requires non-null sender address')
    if (encoding !== undefined) drop.record(RECORD.attribute, `encoding=${encoding}`)
    if (this.#traceFlags() !== 0) drop.record(RECORD.attribute, `trace_flags=${this.#traceFlags()}`)
    if (verp !== undefined) drop.record(RECORD.verp, verp)
    for (const text of recipients) {
      const addresses = addressesOf(text).map(internalAddress)
      // No address at all stands for the null one, so that the sender hears of it.
      for (const address of addresses.length > 0 ? addresses : ['']) this.#recipient(drop, address)
    }
  }

  #traceFlags(): number {
    if (this.#options.verify) return TRACE_VERIFY
    return this.#options.verbose === 1 ? TRACE_RECORD : 0
  }

  #recipient(drop: Drop, address: string): void {
    if (this.#options.notify !== 0) drop.record(RECORD.attribute, `notify_flags=${this.#options.notify}`)
    drop.record(RECORD.recipient, address)
    this.#recipients++
  }

  /** `-O REQUIRETLS=yes`, `-O SMTPUTF8=yes`; other names are other sendmails' business. */
  #sendOptions(): number {
    const { config, complaints } = this.#tools
    const known = [
      { prefix: 'REQUIRETLS=', parameter: 'requiretls_enable', bit: REQUIRE_TLS },
      { prefix: 'SMTPUTF8=', parameter: 'smtputf8_enable', bit: SMTPUTF8_REQUESTED },
    ] as const
    let bits = 0
    for (const request of this.#options.requests) {
      const option = known.find(({ prefix }) => asciiUpper(request).startsWith(prefix))
      if (option === undefined) continue
      const value = request.slice(option.prefix.length).toLowerCase()
      if (value === 'no') bits &= ~option.bit
      else if (value !== 'yes') complaints.warn(`bad -O option: '${request}' -- ignored`)
      else if (config.bool(option.parameter)) bits |= option.bit
      else complaints.fatal(`'-O ${request}' was requested, but the configuration is '${option.parameter} = no'`)
    }
    return bits
  }

  async #content(drop: Drop, endings: LineEndings): Promise<void> {
    drop.record(RECORD.message, '')
    if (this.#options.verify) this.#probe(drop)
    else if (this.#options.fromHeaders) await this.#extract(drop, endings)
    else {
      await this.#read(endings, (bytes, complete) => drop.record(complete ? RECORD.text : RECORD.textPart, bytes), drop)
      drop.record(RECORD.extracted, '')
    }
    if (this.#recipients > 0) return
    this.#fail(this.#options.fromHeaders
      ? 'No recipient addresses found in message header'
      : 'Recipient addresses must be specified on the command line or via the -t option')
  }

  /** A message for a report of where mail would go; the input is not read. */
  #probe(drop: Drop): void {
    const { recipients } = this.#options
    if (this.#sender !== '') drop.record(RECORD.text, `From: ${this.#sender}`)
    drop.record(RECORD.text, 'Subject: probe')
    if (recipients.length > 0) drop.record(RECORD.textPart, 'To:')
    recipients.forEach((text, i) => drop.record(RECORD.text, `\t${text}${i + 1 < recipients.length ? ',' : ''}`))
    drop.record(RECORD.extracted, '')
  }

  async #extract(drop: Drop, endings: LineEndings): Promise<void> {
    const lineBytesMax = this.#tools.config.int('line_length_limit')
    const headers = new HeaderRecipients({
      lineBytesMax,
      headerBytesMax: this.#tools.config.int('header_size_limit'),
      record: (type, payload) => drop.record(type, payload),
      fail: (text) => this.#fail(`unable to extract recipients: ${text}`),
    })
    await this.#read(endings, (bytes, complete) => headers.line(bytes, complete), drop)
    const addresses = headers.end()
    drop.record(RECORD.extracted, '')
    for (const address of addresses) this.#recipient(drop, address)
  }

  async #read(endings: LineEndings, line: (bytes: Uint8Array, complete: boolean) => void, drop: Drop): Promise<void> {
    const lines = new MessageLines({
      lineBytesMax: this.#tools.config.int('line_length_limit'), dotEnds: this.#options.dotEnds, endings,
    }, line)
    try {
      for await (const chunk of this.#tools.input) {
        lines.push(chunk)
        if (lines.ended) break
        const wait = drop.ready()
        if (wait !== undefined) await wait
      }
    } catch (error) {
      if (error instanceof CommandExit || error instanceof DropError) throw error
      this.#fail(`error reading input: ${errnoText(error)}`)
    }
    lines.end()
  }

  async #finish(drop: Drop): Promise<void> {
    const { status, reason } = await drop.finish()
    if (status !== 0) this.#fail(reason === '' ? statusText(status) : reason)
    if (this.#traceFlags() !== 0) {
      this.#tools.print(`Mail Delivery Status Report will be mailed to <${this.#sender}>.\n`)
    }
  }
}

const UNKNOWN_SIZE = { contentSize: -1, dataOffset: -1, recipientCount: -1, qmgrFlags: -1, contentLength: -1 } as const

function statusText(status: number): string {
  return status === STATUS.permission ? 'service denied' : statusDetail(status).text
}

/** The full name of a user: the environment's NAME, or the first field of the account's comment. */
function fullNameOf(user: User | undefined): string | undefined {
  const given = process.env['NAME']
  if (given !== undefined) return given
  if (user === undefined) return undefined
  const [name = ''] = user.gecos.split(/[,;%]/)
  // An old shorthand: & stands for the login name, with a capital.
  return name.replaceAll('&', () => user.name.charAt(0).toUpperCase() + user.name.slice(1))
}
