/**
 * Address rewriting to the standard form `user@domain`: source routes go,
 * `site!user` and `user%site` become `user@site`, and a missing domain is added.
 *
 * Pure: an address and the rules in, an address out.
 *
 * Source: trivial-rewrite(8); postconf(5), swap_bangpath, allow_percent_hack, append_at_myorigin, append_dot_mydomain.
 */
import type { Config } from '#config/config.ts'
import { externalAddress, internalAddress, quoteLocal, splitAddress } from '#mail/address.ts'
import { externalAddressOf, isOperatorToken, scanTokens } from '#mail/address-tokens.ts'
import type { Token } from '#mail/address-tokens.ts'

/** Which domains complete an address: those of this system, or the one for mail of other systems. */
export type RewriteContext = 'local' | 'remote'

/** The rules as values. An empty domain means: do not complete. */
export type RewriteRules = {
  readonly swapBangpath: boolean
  readonly allowPercentHack: boolean
  readonly appendAtMyorigin: boolean
  readonly appendDotMydomain: boolean
  readonly myorigin: string
  readonly mydomain: string
  readonly remoteHeaderRewriteDomain: string
}

/** The rules of a configuration. */
export function rewriteRules(config: Config): RewriteRules {
  return {
    swapBangpath: config.bool('swap_bangpath'),
    allowPercentHack: config.bool('allow_percent_hack'),
    appendAtMyorigin: config.bool('append_at_myorigin'),
    appendDotMydomain: config.bool('append_dot_mydomain'),
    myorigin: config.str('myorigin'),
    mydomain: config.str('mydomain'),
    remoteHeaderRewriteDomain: config.str('remote_header_rewrite_domain'),
  }
}

const AT: Token = { kind: 'operator', text: '@' }
const DOT: Token = { kind: 'operator', text: '.' }
const EMPTY: Token = { kind: 'quoted', text: '' }

const find = (tokens: readonly Token[], operator: string): number =>
  tokens.findIndex((token) => isOperatorToken(token, operator))

/** Position of the last `operator`; -1 without one. */
export function findLastOperator(tokens: readonly Token[], operator: string): number {
  return tokens.findLastIndex((token) => isOperatorToken(token, operator))
}

/** Rewrites an address that is given as tokens. The empty list stays empty. */
export function rewriteTokens(
  rules: RewriteRules, context: RewriteContext, tokens: readonly Token[],
): readonly Token[] {
  const [first] = tokens
  if (first === undefined) return tokens
  if (tokens.length === 1 && first.kind === 'quoted' && first.text === '') return tokens
  // A lone @ stands for the null address.
  if (tokens.length === 1 && isOperatorToken(first, '@')) return [EMPTY]
  const direct = stripRoute(tokens)
  const qualified = findLastOperator(direct, '@') < 0 ? qualify(rules, context, direct) : direct
  return stripDot(completeDomain(rules, context, qualified))
}

/** RFC 5321 §3.3, appendix C: source routes are to be ignored. */
function stripRoute(tokens: readonly Token[]): readonly Token[] {
  const colon = isOperatorToken(tokens[0], '@') ? find(tokens, ':') : -1
  return colon >= 0 && colon < tokens.length - 1 ? tokens.slice(colon + 1) : tokens
}

function qualify(rules: RewriteRules, context: RewriteContext, tokens: readonly Token[]): readonly Token[] {
  const bang = rules.swapBangpath ? find(tokens, '!') : -1
  if (bang >= 0) return [...tokens.slice(bang + 1), AT, ...tokens.slice(0, bang)]
  const percent = rules.allowPercentHack ? findLastOperator(tokens, '%') : -1
  if (percent >= 0) return tokens.with(percent, AT)
  const origin = context === 'local' ? rules.myorigin : rules.remoteHeaderRewriteDomain
  return rules.appendAtMyorigin && origin !== '' ? [...tokens, AT, ...scanTokens(origin)] : tokens
}

/** Broken forms that end in @ are left alone, so that diagnostics show what came in. */
function completeDomain(rules: RewriteRules, context: RewriteContext, tokens: readonly Token[]): readonly Token[] {
  const parent = context === 'local' ? rules.mydomain : rules.remoteHeaderRewriteDomain
  const at = findLastOperator(tokens, '@')
  if (!rules.appendDotMydomain || parent === '' || at < 0 || at === tokens.length - 1) return tokens
  const domain = tokens.slice(at)
  if (find(domain, '.') >= 0 || domain.some((token) => token.kind === 'literal')) return tokens
  return [...tokens, DOT, ...scanTokens(parent)]
}

/** `domain.` is `domain`; but `domain..` and `@.` are mistakes, which stay. */
function stripDot(tokens: readonly Token[]): readonly Token[] {
  const before = tokens.at(-2)
  const strip = isOperatorToken(tokens.at(-1), '.') && before !== undefined
    && !isOperatorToken(before, '.') && !isOperatorToken(before, '@')
  return strip ? tokens.slice(0, -1) : tokens
}

/**
 * An address that rewriting cannot change: plain local part, domain with a dot
 * inside and none at the end. Nearly all addresses are, and need no tokens.
 */
const STANDARD_REGEXP = /^[\w+=~^*/?{}#$&'`-]+(?:\.[\w+=~^*/?{}#$&'`-]+)*@(?:[A-Za-z0-9-]+\.)+[A-Za-z0-9-]+$/

/** Whether an address, in internal form, is so plain that rewriting cannot change it. */
export function isStandardAddress(internal: string): boolean {
  return STANDARD_REGEXP.test(internal)
}

/**
 * Rewrites one address.
 *
 * @param external External form; comments and blanks between its parts go.
 * @returns External form; `""` for the null address, and the empty text for the empty text.
 */
export function rewriteAddress(rules: RewriteRules, context: RewriteContext, external: string): string {
  if (external === '' || isStandardAddress(external)) return external
  const tokens = rewriteTokens(rules, context, scanTokens(external))
  return externalAddressOf(tokens, 'spaced')
}

/** Rewrites one address in internal form; the null address stays null. */
export function rewriteInternal(rules: RewriteRules, context: RewriteContext, internal: string): string {
  if (internal === '' || isStandardAddress(internal)) return internal
  return internalAddress(rewriteAddress(rules, context, externalOf(internal)))
}

/** Like `externalAddress()`, but also an empty local part gets its quotes. */
function externalOf(internal: string): string {
  // A source route stays one, to be taken away.
  if (/^@[^:]*:./.test(internal)) return externalAddress(internal)
  const { local, domain } = splitAddress(internal)
  return domain === undefined ? quoteLocal(local) : `${quoteLocal(local)}@${domain}`
}
