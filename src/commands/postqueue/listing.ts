/**
 * Where the listing comes from: the showq service, or the queue itself while the mail system is down.
 *
 * @module
 */
import { connect } from 'node:net'
import type { Config } from '#config/config.ts'
import { listOptions, listQueues } from '#queue/list.ts'
import { openSpool } from '#queue/spool.ts'
import { ListingDecoder, ListingError, type ListingSink } from '#service/listing.ts'
import { becomeOwner } from '#commands/queue-owner.ts'
import { openProgramLog } from '#service/logging.ts'
import { log, restoreLog, setLog } from '#system/log.ts'
import { errnoText, isErrno } from '#system/errno.ts'

/** What came of asking the service. `absent`: nobody answers there; `reason` says why. */
export type ListingResult =
  | { readonly kind: 'ok' }
  | { readonly kind: 'malformed' }
  | { readonly kind: 'absent'; readonly reason: string; readonly forbidden: boolean }

/** Asks the service at `path` for the listing. */
export async function listFromService(path: string, sink: ListingSink): Promise<ListingResult> {
  const decoder = new ListingDecoder(sink)
  const socket = connect(path)
  try {
    for await (const chunk of socket) {
      if (Buffer.isBuffer(chunk)) decoder.push(chunk)
      if (decoder.done) return { kind: 'ok' }
    }
    return { kind: 'malformed' }
  } catch (error) {
    if (error instanceof ListingError) return { kind: 'malformed' }
    const forbidden = isErrno(error, 'EACCES') || isErrno(error, 'EPERM')
    return { kind: 'absent', reason: errnoText(error), forbidden }
  } finally {
    socket.destroy()
  }
}

/** Reads the queue itself, as its owner. `false`: the caller may not. */
export function listDirectly(config: Config, sink: ListingSink): boolean {
  if (process.getuid?.() !== 0 && !becomeOwner(config)) return false
  // What is wrong with the files is not for the reader of the listing: it goes to the log, as from the service.
  const before = setLog(openProgramLog(config, { program: 'showq' }))
  try {
    if (!becomeOwner(config)) return false
    for (const message of listQueues(openSpool(config, '.'), listOptions(config))) {
      sink.message(message)
      for (const recipient of message.recipients) sink.recipient(recipient)
      sink.end()
    }
    return true
  } catch (error) {
    log.fatal(errnoText(error))
    throw error
  } finally {
    restoreLog(before)
  }
}
