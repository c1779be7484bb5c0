/**
 * Checks of names and addresses: their form, and what the DNS knows of them.
 *
 * Source: postconf(5), reject_invalid_helo_hostname, reject_non_fqdn_*, reject_unknown_*; RFC 5321 §2.3.5;
 * RFC 7505 (null MX).
 */
import { domainOf } from '#mail/address.ts'
import { isNullMx } from '#network/dns.ts'
import type { DnsAnswer } from '#network/dns.ts'
import { isHostAddress, isValidHostname } from '#network/dns/hostname.ts'
import { asciiDomain, isValidMailDomain, mailhostAddress } from '#rewrite/mail-domain.ts'
import type { Evaluation, ListContext, Status } from './evaluation.ts'
import { REPLY_CLASS } from './status-class.ts'

/** What a check is about, for the reply. */
export type Subject = Pick<ListContext, 'name' | 'about'>

/** `name.` is `name`; `name..` is a mistake. */
const withoutDot = (name: string): string => (/[^.]\.$/.test(name) ? name.slice(0, -1) : name)

const isLiteral = (domain: string): boolean => domain.startsWith('[') && domain.endsWith(']')

/** Whether the text between brackets is an address. */
export function checkLiteral(evaluation: Evaluation, text: string, subject: Subject): Status {
  const inner = text.length > 2 && isLiteral(text) ? text.slice(1, -1) : text
  if (mailhostAddress(inner) !== undefined) return 'dunno'
  return evaluation.deny(evaluation.settings.codes.invalidHostname, '5.5.2', subject, 'invalid ip address')
}

/** Whether `name` has the form of a host name; bare addresses pass, for the sake of old clients. */
export function checkHostname(evaluation: Evaluation, name: string, subject: Subject): Status {
  const bare = withoutDot(name)
  if (isValidHostname(bare) || isHostAddress(bare)) return 'dunno'
  return evaluation.deny(evaluation.settings.codes.invalidHostname, '5.5.2', subject, 'Invalid name')
}

/** Whether `name` is a complete host name. */
export function checkFqdn(evaluation: Evaluation, name: string, subject: Subject): Status {
  const bare = withoutDot(name)
  if (isValidMailDomain(bare, evaluation.facts.smtputf8) && bare.includes('.')) return 'dunno'
  return evaluation.deny(evaluation.settings.codes.nonFqdn, '5.5.2', subject, 'need fully-qualified hostname')
}

/** Whether the domain of an address is a complete name, or an address literal. */
export function checkAddressFqdn(evaluation: Evaluation, address: string, subject: Subject): Status {
  const domain = domainOf(address) ?? ''
  if (isLiteral(domain)) return 'dunno'
  const bare = withoutDot(domain)
  if (isValidMailDomain(bare, evaluation.facts.smtputf8) && bare.includes('.')) return 'dunno'
  return evaluation.deny(evaluation.settings.codes.nonFqdn, '4.5.2', subject, 'need fully-qualified address')
}

/** What several lookups of one name come to. */
type Verdict = 'found' | 'nullmx' | 'retry' | 'invalid' | 'absent'

function verdictOf(answer: DnsAnswer<unknown>): Verdict {
  if (answer.kind === 'ok') return 'found'
  if (answer.kind === 'retry' || answer.kind === 'invalid') return answer.kind
  return 'absent'
}

/** Whether a HELO name has an address or a mail exchanger. */
export async function checkKnownHost(evaluation: Evaluation, name: string, subject: Subject): Promise<Status> {
  const { resolver } = evaluation.tools
  const verdict = await combined([
    async () => verdictOf(await resolver.a(name)),
    async () => verdictOf(await resolver.aaaa(name)),
    async () => mxVerdict(await resolver.mx(name)),
  ])
  // A mail server may well refuse mail for its own name.
  if (verdict === 'found' || verdict === 'nullmx') return 'dunno'
  const { codes, unknownHostnameTempfail } = evaluation.settings
  if (verdict !== 'retry') {
    return evaluation.deny(codes.unknownHostname, '4.7.1', subject, notFoundText(verdict, 'Host'))
  }
  const text = `<${subject.name}>: ${subject.about} rejected: Host not found`
  return evaluation.deferUnlessRejected(
    { errorClass: 'policy', code: 450, status: '4.7.1', text }, unknownHostnameTempfail,
  )
}

function mxVerdict(answer: Parameters<typeof isNullMx>[0]): Verdict {
  return isNullMx(answer) ? 'nullmx' : verdictOf(answer)
}

/** Asks one after the other until something is found; trouble on the way makes "absent" uncertain. */
async function combined(
  questions: readonly (() => Promise<Verdict>)[], stopAt: readonly Verdict[] = ['found'],
): Promise<Verdict> {
  let verdict: Verdict = 'absent'
  let trouble = false
  for (const question of questions) {
    verdict = await question()
    if (verdict === 'found' || stopAt.includes(verdict)) return verdict
    if (verdict === 'retry') trouble = true
  }
  return trouble ? 'retry' : verdict
}

function notFoundText(verdict: Verdict, what: 'Host' | 'Domain'): string {
  return verdict === 'invalid' ? 'Malformed DNS server reply' : `${what} not found`
}

/** Whether mail could be sent to an address: its domain has a mail exchanger or an address. */
export async function checkKnownDomain(evaluation: Evaluation, address: string, subject: Subject): Promise<Status> {
  const resolved = await evaluation.resolveFor(subject.about, address)
  if (resolved.problem === 'fail') return evaluation.retryLater(address)
  const domain = domainOf(resolved.recipient)
  if (domain === undefined || isLiteral(domain)) return 'dunno'
  if (resolved.problem === undefined && isFinal(resolved.class)) return 'dunno'
  return checkMailDomain(evaluation, asciiDomain(domain) ?? domain, subject)
}

function isFinal(domainClass: string): boolean {
  return domainClass === 'local' || domainClass === 'alias' || domainClass === 'virtual'
}

async function checkMailDomain(evaluation: Evaluation, domain: string, subject: Subject): Promise<Status> {
  const { resolver } = evaluation.tools
  const verdict = await combined([
    async () => mxVerdict(await resolver.mx(domain)),
    async () => verdictOf(await resolver.a(domain)),
    async () => verdictOf(await resolver.aaaa(domain)),
  ], ['nullmx', 'invalid'])
  if (verdict === 'found') return 'dunno'
  const isSender = subject.about === REPLY_CLASS.sender
  if (verdict === 'nullmx') {
    // RFC 7505 §4.1, §4.2: 556 for recipients, 550 5.7.27 for senders.
    const text = `Domain ${domain} does not accept mail (nullMX)`
    return evaluation.deny(isSender ? 550 : 556, isSender ? '4.7.27' : '4.1.10', subject, text)
  }
  const status = isSender ? '4.1.8' : '4.1.2'
  const { codes, unknownAddressTempfail } = evaluation.settings
  if (verdict !== 'retry') {
    return evaluation.deny(codes.unknownAddress, status, subject, notFoundText(verdict, 'Domain'))
  }
  const text = `<${subject.name}>: ${subject.about} rejected: Domain not found`
  return evaluation.deferUnlessRejected({ errorClass: 'policy', code: 450, status, text }, unknownAddressTempfail)
}
