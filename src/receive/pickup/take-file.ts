/**
 * One maildrop file on its way through cleanup. What is in it may be made up by
 * anybody who has an account: each record is checked.
 *
 * @module
 */
import type { CleanupMessage, CleanupResult } from '#cleanup/cleanup.ts'
import { STATUS, statusDetail } from '#cleanup/status.ts'
import { externalAddress } from '#mail/address.ts'
import { rfc5322Date } from '#mail/date.ts'
import { QueueFileError, RECORD } from '#queue/record.ts'
import { RecordReader } from '#queue/record-reader.ts'
import { moveFile, relativePath, type QueueId } from '#queue/spool.ts'
import { errnoCode, errnoText } from '#system/errno.ts'
import { files, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, type FileFacts } from '#system/files.ts'
import { log } from '#system/log.ts'
import { copySegments, DamagedFile } from './segments.ts'
import type { PickupTools } from './tools.ts'

const DAY_SECONDS = 86_400
/** Clocks of machines that share maildrop may differ; so may their ideas of daylight saving time. */
const FUTURE_SECONDS_MAX = 7200
const READ_BY_OTHERS = 0o004

/**
 * Takes one file.
 *
 * @returns Whether it is gone from maildrop.
 */
export async function takeFile(tools: PickupTools, name: QueueId, path: string): Promise<boolean> {
  const shown = relativePath(tools.spool, 'maildrop', name)
  const fd = openFile(tools, path, shown)
  if (fd === undefined) return false
  try {
    const facts = files.fstat(fd)
    // Another file than the one that was looked at: a link that took its place, for example.
    if (!facts.isFile) return false
    return await submit(tools, { name, path, shown, fd, facts })
  } finally {
    files.close(fd)
  }
}

/** An open file of maildrop. */
type Opened = {
  readonly name: QueueId
  readonly path: string
  /** The path below the queue directory, for log lines. */
  readonly shown: string
  readonly fd: number
  readonly facts: FileFacts
}

/** A link is not followed, and a pipe does not make us wait. */
function openFile({ settings }: PickupTools, path: string, shown: string): number | undefined {
  try {
    return files.open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK)
  } catch (error) {
    const code = errnoCode(error)
    if (code === 'ENOENT') return undefined
    log.warning(`open input file ${shown}: ${errnoText(error)}`)
    if (code === 'EACCES') {
      log.warning(`if this file was created by Postfix < 1.1, then you may have to chmod a+r ${settings.queueDirectory}/${shown}`)
    }
    return undefined
  }
}

async function submit(tools: PickupTools, file: Opened): Promise<boolean> {
  const requeued = file.facts.uid === tools.settings.ownerId && (file.facts.mode & READ_BY_OTHERS) === 0
  const message = tools.cleanup.begin(requeued ? tools.settings.requeuedFlags : tools.settings.submittedFlags)
  const reader = new RecordReader(file.fd, 0, { payloadBytesMax: tools.settings.lineBytesMax })
  try {
    await copy(tools, file, message, { reader, requeued })
  } catch (error) {
    message.cancel()
    if (error instanceof DamagedFile || error instanceof QueueFileError) return saveDamaged(tools, file, error)
    throw error
  } finally {
    reader.close()
  }
  return finish(tools, file, message)
}

type CopyOptions = { readonly reader: RecordReader; readonly requeued: boolean }

async function copy(tools: PickupTools, file: Opened, message: CleanupMessage, { reader, requeued }: CopyOptions): Promise<void> {
  const { settings } = tools
  const time = submissionTime(message.id, file)
  if (settings.contentFilter !== '') message.envelope(RECORD.filter, settings.contentFilter)
  await copySegments(reader, message, {
    seconds: time,
    onEnvelopeEnd: (sender) => {
      if (sender === undefined) {
        log.warning(`${message.id}: uid=${file.facts.uid}: no envelope sender`)
        throw new DamagedFile(0)
      }
      const origin = requeued ? ` orig_id=${file.name}` : ''
      const text = `${message.id}: uid=${file.facts.uid} from=<${externalAddress(sender)}>${origin}`
      log.info(text, { queue_id: message.id, uid: file.facts.uid, from: sender })
    },
    // RFC 5321 §4.4: a trace line, also where there was no SMTP.
    trace: [
      `Received: by ${settings.myHostname} (${settings.mailName}, from userid ${file.facts.uid})`,
      `\tid ${message.id}; ${rfc5322Date(new Date(time * 1000))}`,
    ],
  })
}

/** When the file was made, in seconds; a time far in the future is not believed. */
function submissionTime(id: QueueId, { facts, shown }: Opened): number {
  const made = Math.trunc(facts.mtimeMs / 1000)
  const now = Math.trunc(Date.now() / 1000)
  if (made > now + FUTURE_SECONDS_MAX) {
    log.warning(`${id}: message ${shown} dated ${made - now} seconds into the future`)
    return now
  }
  if (made < now - DAY_SECONDS) {
    log.warning(`${id}: message ${shown} has been queued for ${Math.trunc((now - made) / DAY_SECONDS)} days`)
  }
  return made
}

async function finish({ queued }: PickupTools, { path, shown }: Opened, message: CleanupMessage): Promise<boolean> {
  const result = await message.finish()
  if (result.status !== 0) return refused(path, shown, result)
  // First gone from here, then known to qmgr: a crash between the two delivers twice at worst, never not at all.
  files.unlink(path)
  if (result.queued) queued(message.id)
  return true
}

/** What cannot get better goes; the rest is tried again at the next scan. */
function refused(path: string, shown: string, { status, reason, id }: CleanupResult): boolean {
  // A reason was logged where it was found.
  if (reason === '') log.warning(`${shown}: error writing ${id}: ${statusDetail(status).text}`)
  const hopeless = (status & (STATUS.bad | STATUS.recipients)) !== 0
  if (hopeless) files.unlink(path)
  return hopeless
}

function saveDamaged({ spool }: PickupTools, { name, shown, facts }: Opened, error: DamagedFile | QueueFileError): boolean {
  const type = error instanceof DamagedFile ? error.type : -1
  if (error instanceof QueueFileError) log.warning(`${shown}: ${error.message}`)
  log.warning(`uid=${facts.uid}: unexpected or malformed record type ${type}`)
  log.warning(`saving corrupt file "${name}" from queue "maildrop" to queue "corrupt"`)
  return moveFile(spool, name, 'maildrop', 'corrupt')
}
