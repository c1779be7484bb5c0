/** A session with ports that answer from tables, for tests of the machine. */
import type { AccessResult } from '#access/types.ts'
import type { CleanupFlags } from '#cleanup/cleanup.ts'
import { configFrom } from '#config/load.ts'
import { readRecords } from '#queue/record.ts'
import { Machine } from '#receive/smtpd/machine.ts'
import type { Message, MessageResult, SessionPorts, SessionTrouble } from '#receive/smtpd/ports.ts'
import { namelessPeers } from '#receive/smtpd/peer.ts'
import { Session } from '#receive/smtpd/session.ts'
import { smtpdSettings } from '#receive/smtpd/settings.ts'
import { log } from '#system/log.ts'

const OK: AccessResult = { kind: 'ok', effects: [] }

/** A message that is kept in memory. */
export class MemoryMessage implements Message {
  readonly id = '4A3B2C1D'
  readonly failed = false
  readonly flags: CleanupFlags
  /** `R bob@example.org` */
  readonly records: string[] = []
  state: 'open' | 'finished' | 'canceled' = 'open'
  readonly #result: () => Promise<MessageResult>

  constructor(flags: CleanupFlags, result: () => Promise<MessageResult>) {
    this.flags = flags
    this.#result = result
  }

  envelope(type: number, payload: string): void {
    this.records.push(`${String.fromCharCode(type)} ${payload}`)
  }

  content(bytes: Uint8Array): void {
    for (const { type, data } of readRecords(bytes)) this.envelope(type, Buffer.from(data).toString())
  }

  endContent(): void {
    this.records.push('X')
  }

  extracted(type: number, payload: string): void {
    this.envelope(type, payload)
  }

  writable(): undefined {
    return undefined
  }

  finish(): Promise<MessageResult> {
    this.state = 'finished'
    return this.#result()
  }

  cancel(): void {
    this.state = 'canceled'
  }
}

/** A machine under test. */
export type TestMachine = {
  readonly machine: Machine
  readonly messages: MemoryMessage[]
  /** Queue ids that were handed on. */
  readonly accepted: string[]
  /** What postmaster was told of. */
  readonly troubles: SessionTrouble[]
}

/** What a test changes. */
export type TestMachineOptions = {
  readonly values?: Readonly<Record<string, string>>
  readonly ports?: Partial<SessionPorts>
  readonly result?: () => Promise<MessageResult>
}

/** Makes one: all restrictions permit, no client is special. */
export function testMachine({ values = {}, ports = {}, result }: TestMachineOptions = {}): TestMachine {
  const messages: MemoryMessage[] = []
  const accepted: string[] = []
  const troubles: SessionTrouble[] = []
  const settings = smtpdSettings(
    configFrom({ compatibility_level: '3.11', myhostname: 'mail.example.org', ...values }), 'smtp',
  )
  const all: SessionPorts = {
    log,
    access: {
      check: () => OK,
      rewriteContext: () => ({ kind: 'ok', context: 'remote' }),
      isPossibleAddress: () => true,
    },
    sasl: undefined,
    now: () => new Date('2026-11-20T09:56:18Z'),
    begin: (flags) => {
      const message = new MemoryMessage(flags, result ?? (() => Promise.resolve({ status: 0, reason: '' })))
      messages.push(message)
      return message
    },
    freeBytes: () => 1e12,
    accepted: (id) => accepted.push(id),
    rate: () => 0,
    clientListed: () => false,
    commandListed: () => false,
    filterCommand: () => undefined,
    discardedKeywords: () => undefined,
    finishReject: (reply) => reply,
    flush: () => 'denied',
    tlsReady: () => true,
    notifyPostmaster: (trouble) => troubles.push(trouble),
    nextInstance: () => 7,
    ...ports,
  }
  const peers = namelessPeers(
    { clientAddress: '192.0.2.7', clientPort: 1234, serverAddress: '192.0.2.1', serverPort: 25 },
  )
  const session = new Session(settings, all, { ...peers, accessState: { reset: () => undefined } })
  return { machine: new Machine(session), messages, accepted, troubles }
}
