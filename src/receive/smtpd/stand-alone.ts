/**
 * SMTP on standard input and output, for a local user: what `sendmail -bs` runs.
 * It has the rights of that user and no others; mail goes through postdrop.
 *
 * @module
 */
import type { AccessState } from '#access/types.ts'
import { loadConfig } from '#config/load.ts'
import { openProgramLog } from '#service/logging.ts'
import { setLog, type Logger } from '#system/log.ts'
import { Dialogue, type DialogueOutput } from './dialogue.ts'
import { endSession } from './ending.ts'
import { Machine } from './machine.ts'
import { localPeers } from './peer.ts'
import { openPostdropMessage, postdropCommand } from './postdrop-message.ts'
import type { SessionPorts } from './ports.ts'
import { Session } from './session.ts'
import { smtpdSettings } from './settings.ts'

const NO_STATE: AccessState = { reset: () => undefined }
const OK = { kind: 'ok', effects: [] } as const

/** Serves standard input until it ends, or QUIT. */
export async function runStandAlone(): Promise<void> {
  const common = loadConfig()
  const config = common.withOverrides(new Map([['process_name', 'smtpd'], ['service_name', 'stdin']]))
  const log = openProgramLog(config, { program: 'smtpd', common, verbose: false })
  setLog(log)
  const ports = standAlonePorts(log, postdropCommand(config), config.directory)
  const session = new Session(
    smtpdSettings(config, 'stdin'), ports, { ...localPeers(), accessState: NO_STATE, standAlone: true },
  )
  log.info(`connect from ${session.clientLabel}`)
  const closed = Promise.withResolvers<void>()
  const dialogue = new Dialogue(new Machine(session), output(closed.resolve))
  await dialogue.greet()
  await Promise.race([read(dialogue), closed.promise])
  if (!dialogue.closed) session.endReason = 'lost connection'
  endSession(session, dialogue.contentBytes)
  log.close()
  process.exit(0)
}

async function read(dialogue: Dialogue): Promise<void> {
  for await (const chunk of process.stdin) {
    if (Buffer.isBuffer(chunk)) await dialogue.push(chunk)
    if (dialogue.closed) return
  }
}

function output(close: () => void): DialogueOutput {
  return {
    send: (text) => {
      if (process.stdout.write(text)) return undefined
      return new Promise((resolve) => process.stdout.once('drain', () => resolve()))
    },
    close,
    startTls: () => undefined,
    sleep: () => Promise.resolve(),
  }
}

/** A local user is not restricted here: what may be sent is decided where its mail is picked up. */
function standAlonePorts(log: Logger, postdrop: readonly string[], configDirectory: string): SessionPorts {
  let instances = 0
  return {
    log,
    access: {
      check: () => OK,
      rewriteContext: () => ({ kind: 'ok', context: 'local' }),
      isPossibleAddress: () => true,
    },
    sasl: undefined,
    now: () => new Date(),
    begin: () => openPostdropMessage(postdrop, configDirectory),
    freeBytes: () => Number.POSITIVE_INFINITY,
    accepted: () => undefined,
    rate: () => 0,
    clientListed: () => false,
    commandListed: () => false,
    filterCommand: () => undefined,
    discardedKeywords: () => undefined,
    finishReject: (reply) => reply,
    flush: () => 'failed',
    tlsReady: () => false,
    notifyPostmaster: () => undefined,
    nextInstance: () => instances++,
  }
}
