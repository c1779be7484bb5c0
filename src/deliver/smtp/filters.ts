/**
 * Content that is changed on its way out: smtp_generic_maps, smtp_header_checks and
 * their kin, headers in front, conversion to 7 bits. Without any of these the
 * content never becomes text, and this module is not asked.
 *
 * Source: generic(5), header_checks(5), smtp(8); RFC 6152 §3 (conversion).
 */
import type { Config } from '#config/config.ts'
import { externalAddress, internalAddress } from '#mail/address.ts'
import { addressText, formatAddressHeader, parseAddressList, replaceAddress } from '#mail/address-list.ts'
import { headerValue, isHeaderLine, type HeaderInfo } from '#mail/header.ts'
import { mimeErrorText, MimeParser, type HeaderRegion, type MimeError } from '#mail/mime.ts'
import { log } from '#system/log.ts'
import { openMaps, type Maps } from '#tables/maps.ts'
import { asciiUpper } from '#util/ascii.ts'
import { decodeRaw, encodeRaw } from '#util/raw-text.ts'
import type { WireEncoder } from './content.ts'
import { LocalDataError, type Failure } from './failure.ts'
import type { GenericAddresses } from './generic.ts'
import { parameterNames } from './parameter-name.ts'
import type { Settings } from './settings.ts'

/** Headers that the agent adds in front of the message: the letters of `flags=`. */
export type AddedHeaders = readonly { readonly label: string; readonly address: string; readonly brackets: boolean }[]

/** What is done to one message. */
export type FilterRequest = {
  readonly queueId: string
  readonly downgrade: boolean
  readonly added: AddedHeaders
  readonly encoder: WireEncoder
}

/** The filters of one service. */
export type Filters = {
  /** Whether this message has to go through a filter. */
  needed(request: Pick<FilterRequest, 'downgrade' | 'added'>): boolean
  open(request: FilterRequest): ContentFilter
}

type Checks = { readonly header: Readonly<Record<HeaderRegion, Maps>>; readonly body: Maps; readonly any: boolean }

/** Opens the tables. */
export function openFilters(config: Config, settings: Settings, generic: GenericAddresses): Filters {
  const pick = parameterNames(settings.lmtp)
  const open = (suffix: 'header_checks' | 'mime_header_checks' | 'nested_header_checks' | 'body_checks'): Maps =>
    openMaps(pick(suffix), config.str(pick(suffix)), { config })
  const header = {
    primary: open('header_checks'), multipart: open('mime_header_checks'), nested: open('nested_header_checks'),
  }
  const body = open('body_checks')
  const any = [...Object.values(header), body].some((maps) => !maps.empty)
  const checks: Checks = { header, body, any }
  return {
    needed: ({ downgrade, added }) => downgrade || any || !generic.empty || added.length > 0,
    open: (request) => new ContentFilter(request, { settings, generic, checks }),
  }
}

type Tools = { readonly settings: Settings; readonly generic: GenericAddresses; readonly checks: Checks }
type HeaderItem = { readonly region: HeaderRegion; readonly info: HeaderInfo | undefined; readonly text: string }
type Item =
  | ({ readonly kind: 'header' } & HeaderItem)
  | { readonly kind: 'body'; readonly bytes: Uint8Array; readonly complete: boolean }

/** What a check was about. */
type Checked = { readonly maps: Maps; readonly part: 'header' | 'body'; readonly text: string }

const SHOWN_CHARACTERS_MAX = 200
const MAX_DEPTH_ERRORS: ReadonlySet<MimeError> = new Set(['nesting'])

/** Takes the lines of one message, in order; what comes out goes to the encoder. */
export class ContentFilter {
  /** Why the message cannot be sent like this. */
  failure: Failure | undefined
  readonly #request: FilterRequest
  readonly #tools: Tools
  readonly #parser: MimeParser
  readonly #items: Item[] = []

  constructor(request: FilterRequest, tools: Tools) {
    this.#request = request
    this.#tools = tools
    const { headerBytesMax, nestingMax, boundaryBytesMax } = tools.settings
    this.#parser = new MimeParser({
      header: (region, info, text) => this.#items.push({ kind: 'header', region, info, text }),
      body: (bytes, complete) => this.#items.push({ kind: 'body', bytes: Uint8Array.from(bytes), complete }),
      error: (error) => (this.failure = { dsn: '5.6.0', reason: mimeErrorText(new Set([error])) ?? error }),
    }, {
      downgrade: request.downgrade, disableMime: !request.downgrade && !tools.checks.any,
      report: request.downgrade ? MAX_DEPTH_ERRORS : new Set(), headerBytesMax, nestingMax, boundaryBytesMax,
    })
  }

  /** Puts the headers of the agent in front. */
  async begin(): Promise<void> {
    for (const { label, address, brackets } of this.#request.added) {
      const text = externalAddress(await this.#tools.generic.map(address))
      this.#parser.line(encodeRaw(`${label}: ${brackets ? `<${text}>` : text}`), true)
    }
    await this.#drain()
  }

  /** Takes a line, or with `complete` false a piece of one. @throws {LocalDataError} */
  async line(bytes: Uint8Array, complete: boolean): Promise<void> {
    this.#parser.line(bytes, complete)
    if (this.#items.length > 0) await this.#drain()
  }

  /** Ends the message. */
  async end(): Promise<void> {
    this.#parser.end()
    await this.#drain()
  }

  async #drain(): Promise<void> {
    for (const item of this.#items.splice(0)) {
      if (item.kind === 'body') await this.#body(item.bytes, item.complete)
      else await this.#header(item.region, item.info, item.text)
    }
  }

  #warnIncomplete(word: string, missing: string, map: string): void {
    log.warning(`${this.#request.queueId}: ${word} action without ${missing} in ${map} map`)
  }

  async #body(bytes: Uint8Array, complete: boolean): Promise<void> {
    const { checks } = this.#tools
    if (checks.body.empty) return this.#request.encoder.add(bytes, complete)
    const text = decodeRaw(bytes)
    const result = await this.#check(checks.body, 'body', text)
    if (result === text) this.#request.encoder.add(bytes, complete)
    else if (result !== undefined) this.#request.encoder.add(encodeRaw(result), complete)
  }

  async #header(region: HeaderRegion, info: HeaderInfo | undefined, text: string): Promise<void> {
    const { checks, generic } = this.#tools
    const maps = checks.header[region]
    const checked = maps.empty ? text : await this.#check(maps, 'header', text)
    if (checked === undefined) return
    const holdsAddresses = info !== undefined && info.kind !== 'other' && region === 'primary'
    const out = holdsAddresses && !generic.empty ? await this.#rewrite(info, checked) : checked
    for (const line of out.split('\n')) this.#request.encoder.add(encodeRaw(line), true)
  }

  /** A header whose addresses do not change goes out byte for byte. */
  async #rewrite(info: HeaderInfo, header: string): Promise<string> {
    const list = parseAddressList(headerValue(header))
    let changed = false
    for (const node of list.addresses) {
      const before = addressText(node)
      const after = externalAddress(await this.#tools.generic.map(internalAddress(before)))
      if (after === before) continue
      changed = true
      replaceAddress(node, after)
    }
    return changed ? formatAddressHeader(info.name, list) : header
  }

  /** @returns What is left of the text; `undefined`: nothing. */
  async #check(maps: Maps, part: 'header' | 'body', text: string): Promise<string | undefined> {
    const answer = await maps.find(text)
    if (answer.kind === 'absent') return text
    if (answer.kind === 'error') {
      log.warning(`${this.#request.queueId}: smtp ${part} checks lookup error`)
      throw new LocalDataError(`${maps.title}: ${answer.reason}`)
    }
    const [, word = '', argument = ''] = /^([^ \t]*)\s*([^]*)$/.exec(answer.value) ?? []
    return this.#act(asciiUpper(word), argument, { maps, part, text })
  }

  #act(word: string, argument: string, { maps, part, text }: Checked): string | undefined {
    const say = (action: string): void => {
      const shown = text.slice(0, SHOWN_CHARACTERS_MAX).replaceAll('\n', ' ')
      log.info(`${this.#request.queueId}: ${action}: ${part} ${shown}${argument === '' ? '' : `: ${argument}`}`)
    }
    switch (word) {
      case 'WARN':
        say('warning')
        return text
      case 'INFO':
        say('info')
        return text
      case 'STRIP':
        say('strip')
        return undefined
      case 'IGNORE':
        return undefined
      case 'DUNNO':
      case 'OK':
        return text
      case 'REPLACE':
      case 'PREPEND':
        if (argument !== '' && (part === 'body' || isHeaderLine(argument))) {
          say(word.toLowerCase())
          if (word === 'REPLACE') return argument
          this.#request.encoder.add(encodeRaw(argument), true)
          return text
        }
        this.#warnIncomplete(word, part === 'header' ? 'message header' : 'text', maps.title)
        return text
      default:
        log.warning(`${this.#request.queueId}: unknown command in ${maps.title} map: ${word} ${argument}`)
        return text
    }
  }
}
