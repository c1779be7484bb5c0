/**
 * Address lists of headers: a tree that keeps comments, phrases, groups and
 * routes, so that single addresses can be replaced and the rest written back.
 *
 * Forgiving: missing commas are added; what is not understood stays.
 *
 * Source: RFC 5322 §3.4 (address lists and groups), §4.4 (obsolete forms).
 */
import { printable } from '#util/printable.ts'
import { splitAddress } from './address.ts'
import { externalAddressOf, externalToken, externalTokens, isOperatorToken, scanTokens } from './address-tokens.ts'
import type { Token } from './address-tokens.ts'

/** One address of a list; its tokens can be replaced. */
export type AddressNode = {
  readonly kind: 'address'
  tokens: readonly Token[]
  /** Tokens fresh from a header stand side by side without a blank; those of a rewritten address with one. */
  rewritten: boolean
}

/** A node of the tree: an address, the colon that opens a group, or a token between addresses. */
export type ListNode = AddressNode | Token | { readonly kind: 'startGroup' }

/** A parsed address list. */
export type AddressList = { readonly nodes: readonly ListNode[]; readonly addresses: readonly AddressNode[] }

/** Longest phrase and comments of one address, in characters; old mail programs had buffers of this size. */
const NON_ADDRESS_LENGTH_MAX = 250

/** Longest line that joins several addresses, in characters, without the TAB that may start it. */
const FOLD_WIDTH = 70

const COMMA: Token = { kind: 'operator', text: ',' }

/** What the parser, which goes from right to left, has finished (`right`) and collects (`pending`), both reversed. */
class ListParser {
  readonly #tokens: readonly Token[]
  readonly #right: ListNode[] = []
  #pending: Token[] = []
  #next: number
  /** A word here does not begin a further address. */
  #wordFits = true
  #inGroup = false

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
    this.#next = tokens.length - 1
  }

  parse(): ListNode[] {
    while (this.#next >= 0) this.#step()
    this.#finishAddress(false)
    return this.#right.toReversed()
  }

  #take(): Token | undefined {
    return this.#tokens[this.#next--]
  }

  #step(): void {
    const token = this.#take()
    if (token === undefined) return
    if (token.kind === 'comment') this.#right.push(token)
    else if (token.kind !== 'operator') this.#word(token)
    else if (token.text === ';') this.#endOfGroup(token)
    else if (token.text === ':' && this.#inGroup) this.#startOfGroup()
    else if (token.text === '>') this.#route(token)
    else if (token.text === ',') this.#separator(token)
    else this.#operator(token)
  }

  #word(token: Token): void {
    // Two words side by side: a comma is missing, and the address to the right is complete.
    if (!this.#wordFits) this.#finishAddress(true)
    this.#wordFits = false
    this.#pending.push(token)
  }

  #operator(token: Token): void {
    this.#wordFits = true
    this.#pending.push(token)
  }

  #separator(token: Token): void {
    this.#finishAddress(false)
    this.#right.push(token)
    this.#wordFits = true
  }

  #endOfGroup(token: Token): void {
    this.#finishAddress(true)
    this.#right.push(token)
    this.#inGroup = true
    this.#wordFits = true
  }

  /** `name:` up to the comma before it. */
  #startOfGroup(): void {
    this.#finishAddress(false)
    this.#right.push({ kind: 'startGroup' })
    this.#skipWhile((token) => !isOperatorToken(token, ','))
  }

  /** `phrase <address>`: comments inside the brackets move behind the address. */
  #route(close: Token): void {
    this.#finishAddress(true)
    this.#right.push(close)
    while (this.#next >= 0 && !isOperatorToken(this.#tokens[this.#next], '<')) {
      const token = this.#take()
      if (token?.kind === 'comment') this.#right.push(token)
      else if (token !== undefined) this.#pending.push(token)
    }
    this.#finishAddress(false)
    this.#skipWhile((token) => token.kind !== 'operator' || !'>;,:'.includes(token.text))
    // A colon outside groups ends the phrase and is part of no address.
    const colon = this.#tokens[this.#next]
    if (!this.#inGroup && colon !== undefined && isOperatorToken(colon, ':')) {
      this.#right.push(colon)
      this.#next--
    }
    this.#wordFits = true
  }

  #skipWhile(holds: (token: Token) => boolean): void {
    for (;;) {
      const token = this.#tokens[this.#next]
      if (token === undefined || !holds(token)) return
      this.#right.push(token)
      this.#next--
    }
  }

  #finishAddress(addComma: boolean): void {
    if (this.#pending.length === 0) return
    this.#right.push({ kind: 'address', tokens: this.#pending.toReversed(), rewritten: false })
    if (addComma) this.#right.push(COMMA)
    this.#pending = []
  }
}

/**
 * Parses the value of an address header, or an address list in external form.
 *
 * @param limit Number of tokens after which the rest is left out; 0 for no limit.
 */
export function parseAddressList(value: string, limit = 0): AddressList {
  const nodes = new ListParser(scanTokens(value, limit)).parse()
  return { nodes, addresses: nodes.filter((node) => node.kind === 'address') }
}

/** An address of a list as rewriting sees it: external form, each word as it came; `""` for one without any. */
export function addressText(node: AddressNode): string {
  const text = externalTokens(node.tokens, node.rewritten ? 'spaced' : 'joined')
  return text === '' ? '""' : text
}

/** Replaces an address of a list by another, in external form. */
export function replaceAddress(node: AddressNode, external: string): void {
  node.tokens = scanTokens(external)
  node.rewritten = true
}

/** The addresses in `value`, in external form as written. */
export function addressesOf(value: string, limit = 0): string[] {
  return parseAddressList(value, limit).addresses.map(addressText)
}

/** A list as text; `separator` follows each comma. Phrases that are too long are left out and reported. */
export type FormatOptions = { readonly separator?: string; readonly onStripped?: (start: string) => void }

/** Writes a list in external form: `a, "B C" <b@c> (comment), group: d;`. */
export function formatAddressList(list: AddressList, options: FormatOptions = {}): string {
  const { separator = ' ', onStripped } = options
  return splitAtCommas(list.nodes)
    .map((nodes) => formatExpression(nodes, onStripped))
    .join(`,${separator}`)
}

function splitAtCommas(nodes: readonly ListNode[]): ListNode[][] {
  const parts: ListNode[][] = [[]]
  for (const node of nodes) {
    if (node.kind === 'operator' && node.text === ',') parts.push([])
    else parts.at(-1)?.push(node)
  }
  return parts
}

/** What stands between two commas. */
function formatExpression(nodes: readonly ListNode[], onStripped: FormatOptions['onStripped']): string {
  let out = ''
  let address: string | undefined
  nodes.forEach((node, i) => {
    const text = formatNode(node)
    if (node.kind === 'address') address = text
    out += text
    const next = nodes[i + 1]
    if (next !== undefined && blankBetween(node, next)) out += ' '
  })
  if (address === undefined || out.length - address.length <= NON_ADDRESS_LENGTH_MAX) return out
  onStripped?.(printable(out).slice(0, 100))
  return `<${address}>`
}

function formatNode(node: ListNode): string {
  if (node.kind === 'startGroup') return ':'
  if (node.kind !== 'address') return externalToken(node)
  return externalAddressOf(node.tokens, node.rewritten ? 'spaced' : 'joined')
}

function blankBetween(node: ListNode, next: ListNode): boolean {
  if (node.kind === 'startGroup') return true
  if (next.kind === 'operator') return next.text === '<'
  return node.kind !== 'operator' && next.kind !== 'startGroup'
}

/**
 * Rewrites every address of a header value.
 *
 * @param rewriteOne Gets and returns external form.
 * @returns `undefined` when no address changed: the value is then to be kept byte for byte.
 */
export function rewriteAddressList(value: string, rewriteOne: (external: string) => string): AddressList | undefined {
  const list = parseAddressList(value)
  let changed = false
  for (const node of list.addresses) {
    const before = addressText(node)
    const after = rewriteOne(before)
    if (after === before) continue
    changed = true
    replaceAddress(node, after)
  }
  return changed ? list : undefined
}

/**
 * An address header written anew: `Name: list`, with as many addresses on a
 * line as fit. Lines after the first start with a TAB.
 *
 * @returns Lines joined by `\n`.
 */
export function formatAddressHeader(name: string, list: AddressList, options: FormatOptions = {}): string {
  const pieces = `${name}: ${formatAddressList(list, { ...options, separator: '\n' })}`.split('\n')
  const lines: string[] = []
  for (const piece of pieces) {
    const line = lines.at(-1)
    if (line !== undefined && line.length + 1 + piece.length < FOLD_WIDTH) lines[lines.length - 1] = `${line} ${piece}`
    else lines.push(piece)
  }
  return lines.map((line, i) => (i === 0 || /^[ \t]/.test(line) ? line : `\t${line}`)).join('\n')
}

/** The domain of an address in external form, for callers that have no internal form at hand. */
export function externalDomain(external: string): string | undefined {
  return splitAddress(external).domain
}
