/**
 * The arguments of a pipe command: `${name}` stands for a fact of the message or of its recipients. An argument that
 * names a recipient fact is repeated for each recipient.
 *
 * Pure. Source: pipe(8) "COMMAND ARGUMENT SYNTAX".
 *
 * @module
 */
import { externalAddress, splitAddress, splitExtension } from '#mail/address.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import type { DeliverRequest } from '#service/deliver.ts'

export type ArgumentOptions = {
  readonly flags: ReadonlySet<string>
  readonly delimiters: string
  readonly nullSender: string
}

/** Names that make an argument repeat. */
const RECIPIENT_NAMES = new Set(['recipient', 'user', 'extension', 'mailbox', 'domain', 'original_recipient'])
const NAME = /\$(?:\$|\{(\w+)\}|\((\w+)\)|(\w+))/g

/**
 * Expands the words of argv=.
 *
 * @throws {SyntaxError} For a name that pipe(8) does not know.
 */
export function expandArguments(
  words: readonly string[], request: DeliverRequest, recipients: readonly EnvelopeRecipient[], options: ArgumentOptions,
): string[] {
  const message = messageFacts(request, options)
  return words.flatMap((word) => {
    const names = [...word.matchAll(NAME)].map((match) => match[1] ?? match[2] ?? match[3] ?? '')
    if (!names.some((name) => RECIPIENT_NAMES.has(name))) return [expand(word, message)]
    const facts = recipients.map((recipient) => recipientFacts(recipient, options))
    // An empty value keeps its argument: the ones after it must not move. But an argument with ${user} is left out for a
    // recipient without one (`+folder@example.com`), as mailbox stores take it for a public folder.
    const served = names.includes('user') ? facts.filter(({ user }) => user !== '') : facts
    return served.map((each) => expand(word, { ...message, ...each }))
  })
}

function expand(word: string, facts: Readonly<Record<string, string>>): string {
  return word.replaceAll(NAME, (all, a?: string, b?: string, c?: string) => {
    if (all === '$$') return '$'
    const name = a ?? b ?? c ?? ''
    const value = facts[name]
    if (value === undefined) throw new SyntaxError(`unknown macro name: "${name}"`)
    return value
  })
}

function messageFacts(request: DeliverRequest, options: ArgumentOptions): Record<string, string> {
  return {
    sender: quoted(request.sender === '' ? options.nullSender : request.sender, options),
    nexthop: fold(request.nexthop, 'h', options),
    size: String(request.contentSize),
    queue_id: request.queueId,
    envid: request.envelopeId,
    client_address: request.clientAddress, client_helo: request.heloName, client_hostname: request.clientName,
    client_port: request.clientPort, client_protocol: request.protocolName,
    sasl_method: request.saslMethod, sasl_sender: request.saslSender, sasl_username: request.saslUsername,
  }
}

function recipientFacts({ address, original }: EnvelopeRecipient, options: ArgumentOptions): Record<string, string> {
  const { local, domain } = splitAddress(address)
  const { user, extension } = splitExtension(local, options.delimiters)
  return {
    recipient: quoted(folded(address, options), options),
    domain: fold(domain ?? '', 'h', options),
    original_recipient: quoted(folded(original, options), options),
    user: fold(user, 'u', options),
    extension: fold(extension ?? '', 'u', options),
    mailbox: fold(local, 'u', options),
  }
}

function folded(address: string, options: ArgumentOptions): string {
  const { local, domain } = splitAddress(address)
  return domain === undefined ? fold(local, 'u', options) : `${fold(local, 'u', options)}@${fold(domain, 'h', options)}`
}

function fold(text: string, flag: 'h' | 'u', { flags }: ArgumentOptions): string {
  return flags.has(flag) ? text.toLowerCase() : text
}

function quoted(address: string, { flags }: ArgumentOptions): string {
  return flags.has('q') && address !== '' ? externalAddress(address) : address
}
