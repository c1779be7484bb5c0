/**
 * What header_checks, body_checks and their kin may order: refuse, drop, hold,
 * redirect, copy, change or just log.
 *
 * Source: header_checks(5).
 *
 * @module
 */
import { isHeaderLine } from '#mail/header.ts'
import { parseStatus } from '#mail/status.ts'
import { log } from '#system/log.ts'
import { asciiUpper } from '#util/ascii.ts'
import { originOf, shownAddress } from './origin.ts'
import { outputHeader, outputText } from './output.ts'
import type { MessageState } from './state.ts'
import { STATUS, statusDetail } from './status.ts'

const cleanupLog = log.as('cleanup')

/** What the action is about; the word stands in the log line. */
export type ContentPart = {
  readonly part: 'header' | 'body' | 'content'
  /** The header or line. */
  readonly text: string
  /** Parameter that names the table. */
  readonly map: string
}

/** What becomes of the header or line. */
export type ContentResult =
  | { readonly kind: 'keep' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'replace'; readonly text: string }

const KEEP: ContentResult = { kind: 'keep' }
const DROP: ContentResult = { kind: 'drop' }

/** Characters of the header or line in a log line. */
const SHOWN_LENGTH_MAX = 200
const REFUSED_STATUS = '5.7.1'

/**
 * Carries out one action.
 *
 * @param action The result of the lookup: a word, and text after it.
 */
export function contentAction(state: MessageState, content: ContentPart, action: string): ContentResult {
  const [, word = '', text = ''] = /^([^ \t]*)\s*([^]*)$/.exec(action) ?? []
  switch (asciiUpper(word)) {
    case 'REJECT':
      return reject(state, content, text)
    case 'WARN':
      return logged(state, 'warning', content, text)
    case 'INFO':
      return logged(state, 'info', content, text)
    case 'PASS':
      state.filter = false
      return logged(state, 'pass', content, text)
    case 'FILTER':
      return filter(state, content, text)
    case 'DISCARD':
      logAction(state, 'discard', content, text)
      state.discard = true
      state.filter = false
      return KEEP
    case 'HOLD':
      return hold(state, content, text)
    case 'PREPEND':
      return prepend(state, content, text)
    case 'REPLACE':
      return replace(state, content, text)
    case 'REDIRECT':
      return redirect(state, content, text)
    case 'BCC':
      return copy(state, content, text)
    case 'STRIP':
      logAction(state, 'strip', content, text)
      return DROP
    case 'IGNORE':
      return DROP
    case 'DUNNO':
    case 'OK':
      return KEEP
    default:
      cleanupLog.warning(`unknown command in ${content.map} map: ${action}`)
      return KEEP
  }
}

/** Writes the line `ID: action: header … from …; from=<…> to=<…>: text`. */
function logAction(state: MessageState, action: string, { part, text }: ContentPart, note: string): void {
  const { sender, recipient, attributes } = state
  const words = [`${state.id}: ${action}: ${part} ${text.slice(0, SHOWN_LENGTH_MAX)} from ${originOf(state)};`]
  if (sender !== undefined) words.push(`from=<${shownAddress(sender)}>`)
  if (recipient !== undefined) words.push(`to=<${shownAddress(recipient)}>`)
  const protocol = attributes.get('log_protocol_name')
  if (protocol !== undefined) words.push(`proto=${protocol}`)
  const helo = attributes.get('log_helo_name')
  if (helo !== undefined) words.push(`helo=<${helo}>`)
  cleanupLog.info(words.join(' ') + (note === '' ? '' : `: ${note}`), { queue_id: state.id })
}

function logged(state: MessageState, action: string, content: ContentPart, text: string): ContentResult {
  logAction(state, action, content, text)
  return KEEP
}

function reject(state: MessageState, content: ContentPart, text: string): ContentResult {
  const { status, text: standard } = statusDetail(STATUS.content)
  let reason = `${status} ${standard}`
  if (text !== '') {
    reason = parseStatus(text) === undefined ? `${REFUSED_STATUS} ${text}` : text
    if (!/^[45]/.test(reason)) {
      cleanupLog.warning(`bad DSN action in ${text} -- need 4.x.x or 5.x.x`)
      reason = `4${reason.slice(1)}`
    }
  }
  state.fail(reason.startsWith('4') ? STATUS.defer : STATUS.content, reason)
  state.filter = false
  return logged(state, 'reject', content, reason)
}

function filter(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (text === '') cleanupLog.warning(`missing FILTER command argument in ${content.map} map`)
  else if (!text.includes(':')) {
    cleanupLog.warning(`bad FILTER command ${text} in ${content.map} -- need transport:destination`)
  } else {
    state.contentFilter = text
    logAction(state, 'filter', content, text)
  }
  return KEEP
}

function hold(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (state.hold || state.discard) return KEEP
  state.hold = true
  return logged(state, 'hold', content, text)
}

function prepend(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (text === '') cleanupLog.warning(`PREPEND action without text in ${content.map} map`)
  else if (content.part !== 'header') {
    logAction(state, 'prepend', content, text)
    outputText(state, text)
  } else if (headerFits('PREPEND', content, text)) {
    logAction(state, 'prepend', content, text)
    outputHeader(state, text)
  }
  return KEEP
}

function replace(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (text === '') {
    cleanupLog.warning(`REPLACE action without text in ${content.map} map`)
    return KEEP
  }
  if (content.part === 'header' && !headerFits('REPLACE', content, text)) return KEEP
  logAction(state, 'replace', content, text)
  return { kind: 'replace', text }
}

function headerFits(action: string, { map }: ContentPart, text: string): boolean {
  if (isHeaderLine(text)) return true
  cleanupLog.warning(`bad ${action} header text "${text}" in ${map} map -- need "headername: headervalue"`)
  return false
}

function redirect(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (!text.includes('@')) {
    cleanupLog.warning(`bad REDIRECT target "${text}" in ${content.map} map -- need user@domain`)
    return KEEP
  }
  state.redirect = text
  state.filter = false
  return logged(state, 'redirect', content, text)
}

function copy(state: MessageState, content: ContentPart, text: string): ContentResult {
  if (!text.includes('@')) {
    cleanupLog.warning(`bad BCC address "${text}" in ${content.map} map -- need user@domain`)
    return KEEP
  }
  state.headerBcc.push(text)
  return logged(state, 'bcc', content, text)
}
