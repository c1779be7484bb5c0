/**
 * The first step of resolving: strips domains of this system off an address,
 * one after the other, until a foreign domain or a local user is left.
 *
 * Routing operators in the local part are followed even inside quotes (with
 * resolve_dequoted_address), since other mail programs would follow them and
 * make this system an accomplice in relaying.
 *
 * Source: trivial-rewrite(8); postconf(5) resolve_dequoted_address, resolve_null_domain, empty_address_recipient.
 */
import type { Config } from '#config/config.ts'
import { externalAddress } from '#mail/address.ts'
import { internalTokens, isOperatorToken, scanTokens } from '#mail/address-tokens.ts'
import type { Token } from '#mail/address-tokens.ts'
import { whenReady } from '#util/maybe.ts'
import type { MaybePromise } from '#util/maybe.ts'
import type { AddressContext } from './address-context.ts'
import { findLastOperator, isStandardAddress, rewriteTokens } from './rewrite.ts'

/** Parameters of this step. */
export type StripRules = {
  readonly resolveNullDomain: boolean
  readonly resolveDequotedAddress: boolean
  readonly emptyAddressRecipient: string
  readonly myhostname: string
}

/** Reads the parameters. */
export function stripRules(config: Config): StripRules {
  return {
    resolveNullDomain: config.bool('resolve_null_domain'),
    resolveDequotedAddress: config.bool('resolve_dequoted_address'),
    emptyAddressRecipient: config.str('empty_address_recipient'),
    myhostname: config.str('myhostname'),
  }
}

/**
 * `recipient` is in internal form and has a domain. `fail`: mydestination could not be read, or the
 * address goes round in circles.
 */
export type StripResult =
  | { readonly kind: 'ok'; readonly recipient: string; readonly local: boolean }
  | { readonly kind: 'fail' }

const AT: Token = { kind: 'operator', text: '@' }

/** How far the address is taken apart: what is left, and the local domain (with its @) that was cut off last. */
type Work = { tokens: readonly Token[]; cut: readonly Token[] | undefined }

/** What one round decides: go on, a foreign domain, a local user, or trouble. */
type Round = 'again' | 'foreign' | 'local' | 'fail'

/**
 * Strips an address.
 *
 * @param address Internal form.
 */
export function stripLocal(address: string, rules: StripRules, context: AddressContext): MaybePromise<StripResult> {
  if (!isStandardAddress(address)) return stripTokens(address, rules, context)
  // Nothing to take apart: what stands before a domain of ours is a user.
  return whenReady(context.isLocal(address.slice(address.lastIndexOf('@') + 1)), (local) => {
    return local === 'error' ? { kind: 'fail' } : { kind: 'ok', recipient: address, local }
  })
}

async function stripTokens(address: string, rules: StripRules, context: AddressContext): Promise<StripResult> {
  const work: Work = { tokens: scanTokens(address === '' ? '""' : externalAddress(address)), cut: undefined }
  const roundsMax = address.length + 100
  for (let i = 0; i <= roundsMax; i++) {
    const round = await strip(work, rules, context)
    if (round === 'again') continue
    if (round === 'fail') return { kind: 'fail' }
    const local = round === 'local'
    const tokens = local ? [...work.tokens, ...(work.cut ?? [])] : work.tokens
    return { kind: 'ok', recipient: internalTokens(tokens, 'spaced'), local }
  }
  return { kind: 'fail' }
}

async function strip(work: Work, rules: StripRules, context: AddressContext): Promise<Round> {
  trimEnd(work, rules)
  const domain = await cutDomain(work, context)
  if (domain !== 'none') return domain
  if (hasOperator(work.tokens, context)) {
    work.tokens = rewriteTokens(context.rules, 'local', work.tokens)
    return 'again'
  }
  const opened = rules.resolveDequotedAddress ? dequote(work.tokens, context) : undefined
  if (opened !== undefined) {
    work.tokens = rewriteTokens(context.rules, 'local', opened)
    return 'again'
  }
  return complete(work, rules)
}

/** A dot that ends the domain, and with resolve_null_domain an @ without domain. */
function trimEnd(work: Work, rules: StripRules): void {
  const before = work.tokens.at(-2)
  const dot = isOperatorToken(work.tokens.at(-1), '.') && findLastOperator(work.tokens, '@') >= 0
  if (dot && !isOperatorToken(before, '.') && !isOperatorToken(before, '@')) work.tokens = work.tokens.slice(0, -1)
  if (rules.resolveNullDomain && isOperatorToken(work.tokens.at(-1), '@')) work.tokens = work.tokens.slice(0, -1)
}

/** Cuts the domain off if it is ours; `none`: the address goes on without a domain. */
async function cutDomain(work: Work, context: AddressContext): Promise<'foreign' | 'fail' | 'none'> {
  const at = findLastOperator(work.tokens, '@')
  if (at < 0) return 'none'
  const domain = work.tokens.slice(at + 1)
  if (domain.length > 0) {
    const local = await context.isLocal(internalTokens(domain, 'spaced'))
    if (local === 'error') return 'fail'
    if (!local) return 'foreign'
  }
  work.cut = work.tokens.slice(at)
  work.tokens = work.tokens.slice(0, at)
  return 'none'
}

function hasOperator(tokens: readonly Token[], { rules }: AddressContext): boolean {
  if (findLastOperator(tokens, '@') >= 0) return true
  if (rules.swapBangpath && findLastOperator(tokens, '!') >= 0) return true
  return rules.allowPercentHack && findLastOperator(tokens, '%') >= 0
}

/** A quoted local part with routing operators inside, opened; `undefined` when there is none. */
function dequote(tokens: readonly Token[], { rules }: AddressContext): readonly Token[] | undefined {
  const [only] = tokens
  if (tokens.length !== 1 || only?.kind !== 'quoted') return undefined
  const { text } = only
  if (text.includes('@')) return scanTokens(externalAddress(text))
  const percent = rules.allowPercentHack ? text.lastIndexOf('%') : -1
  if (percent >= 0) return scanTokens(externalAddress(`${text.slice(0, percent)}@${text.slice(percent + 1)}`))
  return rules.swapBangpath && text.includes('!') ? scanTokens(text) : undefined
}

/** The null address goes to the administrator; a name without domain gets ours. */
function complete(work: Work, rules: StripRules): Round {
  const [only] = work.tokens
  const empty = only === undefined || (work.tokens.length === 1 && only.kind === 'quoted' && only.text === '')
  if (empty) work.tokens = scanTokens(rules.emptyAddressRecipient)
  else if (work.cut === undefined) work.tokens = [...work.tokens, AT, ...scanTokens(rules.myhostname)]
  else return 'local'
  return 'again'
}
