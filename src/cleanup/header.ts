/**
 * One header on its way into the queue file: checks, facts worth knowing, rewriting.
 *
 * @module
 */
import { headerInfo, headerValue, type HeaderInfo } from '#mail/header.ts'
import type { HeaderRegion, MimeError } from '#mail/mime.ts'
import { log } from '#system/log.ts'
import type { Maps } from '#tables/maps.ts'
import { equalsIgnoreCase } from '#util/ascii.ts'
import { whenReady, type MaybePromise } from '#util/maybe.ts'
import { warn } from './addresses.ts'
import { contentAction } from './checks.ts'
import { addMissingHeaders } from './missing-headers.ts'
import { outputHeader } from './output.ts'
import { rewriteHeader } from './rewrite-header.ts'
import { SEND_OPTION, type MessageState } from './state.ts'
import { STATUS } from './status.ts'

const cleanupLog = log.as('cleanup')

/** Characters of a malformed header in a log line. */
const SHOWN_LENGTH_MAX = 100

/** Takes a header; lines are joined by `\n`. */
export function messageHeader(
  state: MessageState,
  where: HeaderRegion,
  info: HeaderInfo | undefined,
  header: string,
): MaybePromise<void> {
  // Checks for MIME headers see them wherever they are.
  const region = info?.mime === true ? 'multipart' : where
  if (info?.key === 'received') state.hops++
  const maps = checksFor(state, region)
  if (!state.filter || maps.empty) return takeHeader(state, region, info, header)
  return whenReady(maps.find(header), (found) => {
    if (found.kind === 'error') {
      warn(state, `${maps.title} map lookup problem -- message not accepted, try again later`)
      state.fail(STATUS.write)
    }
    if (found.kind !== 'found') return takeHeader(state, region, info, header)
    const result = contentAction(state, { part: 'header', text: header, map: maps.title }, found.value)
    if (result.kind === 'drop') return undefined
    if (result.kind === 'keep') return takeHeader(state, region, info, header)
    return takeHeader(state, region, headerInfo(result.text), result.text)
  })
}

function checksFor(state: MessageState, region: HeaderRegion): Maps {
  const { headerChecks, mimeHeaderChecks, nestedHeaderChecks } = state.settings
  if (region === 'primary') return headerChecks
  return region === 'multipart' ? mimeHeaderChecks : nestedHeaderChecks
}

function takeHeader(
  state: MessageState,
  region: HeaderRegion,
  info: HeaderInfo | undefined,
  header: string,
): MaybePromise<void> {
  if (info === undefined) return takeUnknownHeader(state, region, header)
  if (info.key === 'content-transfer-encoding') noteEncoding(state, header)
  if (region !== 'primary') return outputHeader(state, header)
  state.headersSeen.add(info.key)
  noteHeader(state, info, header)
  if (!state.ok) return undefined
  if (info.resent) state.resent = true
  if (state.context !== undefined && info.kind !== 'other') {
    return rewriteHeader(state, state.context, info.kind, header, !isDropped(state, info.key))
  }
  if (!isDropped(state, info.key)) outputHeader(state, header)
}

/** Headers without rules of their own are copied, but may be dropped or ask for something all the same. */
function takeUnknownHeader(state: MessageState, region: HeaderRegion, header: string): void {
  const name = header.slice(0, header.indexOf(':')).trimEnd()
  if (region === 'primary') {
    if (equalsIgnoreCase(name, 'TLS-Required')) noteTlsRequired(state, header)
    if (state.settings.droppedHeaders.size > 0 && isDropped(state, name.toLowerCase())) return
  }
  outputHeader(state, header)
}

function isDropped(state: MessageState, key: string): boolean {
  return state.settings.droppedHeaders.has(key)
}

/** RFC 8689 §5: `TLS-Required: no` asks for delivery although TLS fails. */
function noteTlsRequired(state: MessageState, header: string): void {
  if (equalsIgnoreCase(headerValue(header).trimStart(), 'no')) state.sendOptions |= SEND_OPTION.requireTlsHeader
  else cleanupLog.warning(`ignoring malformed header: '${header.slice(0, SHOWN_LENGTH_MAX)}'`)
}

/** RFC 1652: 8-bit content, whatever the client said about the body. */
function noteEncoding(state: MessageState, header: string): void {
  const value = headerValue(header).trimStart()
  const eight = equalsIgnoreCase(value, '8bit') || equalsIgnoreCase(value, 'binary')
  if (eight && state.settings.encodingFromHeader) state.attributes.set('encoding', '8bit')
}

function noteHeader(state: MessageState, info: HeaderInfo, header: string): void {
  const value = headerValue(header).trimStart()
  if (info.key === 'message-id') {
    cleanupLog.info(`${state.id}: message-id=${value}`, { queue_id: state.id })
    state.messageId ??= /<[^<>]*>/.exec(value)?.[0]
  }
  if (info.key === 'resent-message-id') {
    cleanupLog.info(`${state.id}: resent-message-id=${value}`, { queue_id: state.id })
  }
  // RFC 5321 §6.3: too many Received headers mean a loop.
  if (info.key === 'received' && state.hops >= state.settings.hopsMax) {
    warn(state, 'message rejected: hopcount exceeded')
    state.fail(STATUS.hops)
  }
}

/** Takes the end of the primary headers. */
export function headersEnd(state: MessageState, errors: ReadonlySet<MimeError>): void {
  if (!state.ok) return
  if (state.hops < 1) {
    warn(state, 'message rejected: no Received: header')
    state.fail(STATUS.bad)
    return
  }
  addMissingHeaders(state, errors.has('nonEmptyEndOfHeader'))
}
