/** What whole-system tests say again and again: send, wait for the end, compare delivery lines and queues. */
import assert from 'node:assert/strict'
import { sendMail, SmtpClient } from './smtp-client.ts'
import type { MailSystem } from './system.ts'

/** A small message. */
export const MESSAGE = 'From: alice@example.com\nSubject: a test\n\nHello.'

/** Queues whose files are messages or logs of messages. */
const QUEUES = ['maildrop', 'incoming', 'active', 'deferred', 'hold', 'corrupt', 'bounce', 'defer', 'trace']

/** Parts of a delivery line that a case names; `reason` is the whole text in parentheses. */
export type Line = {
  readonly program?: string
  readonly to: string
  readonly origTo?: string
  readonly relay: string | RegExp
  /** Only smtp and lmtp say something. */
  readonly tls?: string
  readonly dsn: string
  readonly status: string
  readonly reason: string | RegExp
}

export function escape(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`)
}

function source(text: string | RegExp): string {
  return typeof text === 'string' ? escape(text) : text.source
}

/** The whole delivery line of a message, exact but for times and process ids. */
export function deliveryLine(id: string, line: Line): RegExp {
  const origTo = line.origTo === undefined ? '' : `, orig_to=<${escape(line.origTo)}>`
  const tls = line.tls === undefined ? '' : `, tls=${escape(line.tls)}`
  const program = line.program ?? (typeof line.relay === 'string' ? line.relay : 'smtp')
  return new RegExp(`^postfix/${escape(program)}\\[\\d+\\]: ${id}: to=<${escape(line.to)}>${origTo}, relay=${source(line.relay)}, `
    + `(?:conn_use=\\d+, )?delay=[\\d.]+, delays=[\\d.]+/[\\d.]+/[\\d.]+/[\\d.]+${tls}, dsn=${escape(line.dsn)}, status=${line.status} `
    + `\\(${source(line.reason)}\\)$`)
}

/** Queue id in the reply to the end of data. */
export function queueIdOf(reply: string): string {
  return /^250 2\.0\.0 Ok: queued as (\w+)$/.exec(reply)?.[1] ?? assert.fail(`refused: ${reply}`)
}

/** Sends a message to the smtp door; its queue id. */
export async function submit(
  system: MailSystem, to: readonly string[], options: { from?: string; message?: string; port?: string } = {},
): Promise<string> {
  const { from = 'alice@example.com', message = MESSAGE, port = 'smtp' } = options
  return queueIdOf(await sendMail(system.port(port), from, to, message))
}

/** Like `submit()`, with parameters of the DSN extension. RFC 3461 §4. */
export async function submitWith(
  system: MailSystem, mailParameters: string, recipients: readonly string[], from = 'alice@example.com',
): Promise<string> {
  using client = await SmtpClient.open(system.port('smtp'))
  await client.command('EHLO client.example.com')
  assert.match(await client.command(`MAIL FROM:<${from}>${mailParameters}`), /^250/)
  for (const recipient of recipients) assert.match(await client.command(`RCPT TO:${recipient}`), /^250/)
  assert.match(await client.command('DATA'), /^354/)
  const reply = await client.command(`${MESSAGE.replaceAll('\n', '\r\n')}\r\n.`)
  await client.command('QUIT')
  return queueIdOf(reply)
}

/** Puts a message in with the sendmail command, which asks no restrictions; its queue id. */
export async function submitLocally(
  system: MailSystem, to: readonly string[], options: {
    from?: string
    message?: string
    flags?: readonly string[]
  } = {},
): Promise<string> {
  const { from = 'alice@example.com', message = MESSAGE, flags = [] } = options
  const pattern = /^postfix\/pickup\[\d+\]: (\w+): uid=\d+ from=</
  const before = system.log().filter((line) => pattern.test(line)).length
  const { status, stderr } = await system.command('sendmail', ['-f', from, ...flags, ...to], message)
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  const lines = await system.waitForLines(pattern, before + 1)
  return pattern.exec(lines.at(-1) ?? '')?.[1] ?? assert.fail('no queue id')
}

/** Waits until the message has left the queue. */
export async function waitRemoved(system: MailSystem, id: string): Promise<void> {
  await system.waitForLog(new RegExp(`qmgr\\[\\d+\\]: ${id}: removed$`))
}

/** Waits for the delivery line of a recipient, then compares all of it. */
export async function waitDelivery(system: MailSystem, id: string, line: Line): Promise<void> {
  const found = await system.waitForLog(new RegExp(`: ${id}: to=<${escape(line.to)}>.* status=`))
  assert.match(found, deliveryLine(id, line))
}

/** Waits for the notice about a message, and until it has been delivered; the queue id of the notice. */
export async function waitNotice(system: MailSystem, id: string, title: string): Promise<string> {
  const line = await system.waitForLog(new RegExp(`^postfix/bounce\\[\\d+\\]: ${id}: ${title}: \\w+$`))
  const noticeId = line.split(' ').at(-1) ?? ''
  await waitRemoved(system, noticeId)
  return noticeId
}

/** The files of all queues, as `queue/id`. */
export function queueFiles(system: MailSystem): string[] {
  return QUEUES.flatMap((queue) => system.queue(queue).map((id) => `${queue}/${id}`))
}

/** Nothing is left in any queue. */
export function assertQueuesEmpty(system: MailSystem): void {
  assert.deepEqual(queueFiles(system), [])
}

/** The message in a Maildir that has this text in it, as soon as it is there. */
export function mailWith(system: MailSystem, maildir: string, text: string): string {
  return system.maildir(maildir).find((message) => message.includes(text)) ?? assert.fail(
    `no mail with "${text}" in ${maildir}`
  )
}

/** To whom the copies of a message with this subject in a Maildir were delivered, in alphabetical order. */
export function copiesOf(system: MailSystem, about: string, maildir = 'box'): string[] {
  const found = system.maildir(maildir).filter((mail) => mail.includes(`\nSubject: ${about}\n`))
  return found.map((mail) => /^Delivered-To: (.*)$/m.exec(mail)?.[1] ?? '').toSorted()
}

/** A subject line that no other case has, for finding the message again. */
export function subject(text: string): string {
  return `From: alice@example.com\nSubject: ${text}\n\nHello.`
}
