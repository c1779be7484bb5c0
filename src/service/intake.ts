/**
 * Who has put a message into `incoming` tells qmgr its queue id, so that it need
 * not search the directory.
 *
 * `public/qmgr` takes both our frames and Postfix's trigger bytes: a frame
 * begins with a zero byte, no trigger does. A notice may get lost: the message
 * is safe in `incoming`, and qmgr searches there at every wakeup.
 *
 * @module
 */
import { connect, type Socket } from 'node:net'
import { errnoText } from '#system/errno.ts'
import { log } from '#system/log.ts'
import { encodeFrame } from './frame.ts'
import { isRecord } from './shape.ts'

/** Messages that are complete in `incoming`. */
export type IntakeNotice = { readonly kind: 'intake'; readonly ids: readonly string[] }

/** Tells whether a message is a notice for qmgr. */
export function isIntakeNotice(message: unknown): message is IntakeNotice {
  if (!isRecord(message) || message['kind'] !== 'intake' || !Array.isArray(message['ids'])) return false
  return message['ids'].every((id) => typeof id === 'string')
}

/** Tells qmgr about new messages. */
export type Intake = {
  /** All ids of one turn of the event loop go out together. Never throws. */
  notify(ids: readonly string[]): void
  close(): void
}

/** A connection that carries nothing for this long is closed. */
const IDLE_MS = 5000
/** Bytes that may wait for a qmgr that does not read; more notices are dropped. */
const WAITING_BYTES_MAX = 4 * 1024 * 1024
/** How often a qmgr that is not there is worth a line. */
const WARN_EVERY_MS = 60_000

class QueueManagerIntake implements Intake {
  readonly #path: string
  #waiting: string[] = []
  #socket: Socket | undefined
  #warnedAt = -Infinity

  constructor(path: string) {
    this.#path = path
  }

  notify(ids: readonly string[]): void {
    if (ids.length === 0) return
    // Behind all promises of this turn, so that they share a frame; no later, or a crash right after the acknowledgment
    // would leave the message to the next wakeup.
    if (this.#waiting.length === 0) process.nextTick(() => this.#send())
    this.#waiting.push(...ids)
  }

  close(): void {
    this.#send()
    this.#socket?.end()
    this.#socket = undefined
  }

  #send(): void {
    if (this.#waiting.length === 0) return
    const frame = encodeFrame({ kind: 'intake', ids: this.#waiting } satisfies IntakeNotice)
    this.#waiting = []
    const socket = this.#socket ?? this.#connect()
    if (socket.writableLength < WAITING_BYTES_MAX) socket.write(frame)
  }

  #connect(): Socket {
    const socket = connect(this.#path)
    const forget = (): void => {
      if (this.#socket === socket) this.#socket = undefined
      socket.destroy()
    }
    socket.setTimeout(IDLE_MS, () => {
      forget()
    })
    socket.on('error', (error) => {
      forget()
      this.#warn(error)
    })
    socket.on('close', forget)
    socket.on('connect', () => socket.unref())
    socket.resume()
    this.#socket = socket
    return socket
  }

  #warn(error: unknown): void {
    if (performance.now() - this.#warnedAt < WARN_EVERY_MS) return
    this.#warnedAt = performance.now()
    log.warning(`connect to ${this.#path}: ${errnoText(error)}`)
  }
}

/** @param path `public/qmgr`, relative to the queue directory (queue_service_name). */
export function openIntake(path: string): Intake {
  return new QueueManagerIntake(path)
}

const intakes = new Map<string, Intake>()

/** Tells qmgr that these messages are complete in `incoming`; one connection for the process. */
export function notifyQueueManager(ids: readonly string[], path = 'public/qmgr'): void {
  const intake = intakes.get(path) ?? openIntake(path)
  intakes.set(path, intake)
  intake.notify(ids)
}
