/** A message for a delivery agent in the process of the test, in a folder that its user may enter; ends are only noted. */
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { openMessage } from '#queue/content.ts'
import type { EnvelopeRecipient } from '#queue/envelope.ts'
import { RECORD } from '#queue/record.ts'
import { queueId } from '#queue/spool.ts'
import type { AgentTools, Delivery } from '#service/agent.ts'
import type { DeliverRequest } from '#service/deliver.ts'
import type { Delivered } from '#service/delivered.ts'
import { getpwnam, isRoot, type User } from '#system/users.ts'
import { createSpool, messageBytes } from './spool.ts'

/** A user whose rights commands and mailboxes may have: never root. */
export const OWNER = (isRoot() ? getpwnam('nobody') : undefined) ?? { ...userInfo(), name: userInfo().username }

export type AgentCase = {
  readonly recipients?: readonly (string | Partial<EnvelopeRecipient>)[]
  readonly lines?: readonly string[]
  readonly request?: Partial<DeliverRequest>
}

/** One request to deliver; removed at the end of the `using` block. */
export type TestDelivery = Disposable & {
  readonly delivery: Delivery
  /** `sent bob@example.org 2.0.0 delivered to mailbox`, in the order of the ends. */
  readonly ends: string[]
}

const ID = queueId('3F2A1B0C9D')
const LINES = ['From: alice@example.com', 'Subject: a test', '', 'Hello', 'From here']

/** A folder of `OWNER`; the caller removes it. */
export function ownersFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'posthorn-agent-'))
  chmodSync(folder, 0o755)
  if (isRoot()) chownSync(folder, OWNER.uid, OWNER.gid)
  return folder
}

/** A user of the tests with a home in `folder`. */
export function userAt(folder: string, name: string): User {
  const home = join(folder, name)
  mkdirSync(home, { recursive: true })
  if (isRoot()) chownSync(home, OWNER.uid, OWNER.gid)
  return { name, uid: OWNER.uid, gid: OWNER.gid, home, shell: '/bin/sh', gecos: '' }
}

function refuse(): Promise<never> {
  return Promise.reject(new Error('not for this test'))
}

/** Writes the message and makes the request. */
export function openDelivery({ recipients = ['bob@example.org'], lines = LINES, request = {} }: AgentCase = {}): TestDelivery {
  const made = createSpool()
  made.put('active', ID, messageBytes({ content: lines.map((line) => [RECORD.text, line] as const) }))
  const message = openMessage(made.spool, 'active', ID)
  const ends: string[] = []
  const end = (kind: string): Delivered['deferred'] => (_request, { address }, { status, reason }) => {
    ends.push(`${kind} ${address} ${status} ${reason}`)
    return Promise.resolve(kind === 'deferred')
  }
  const tools: AgentTools = {
    spool: made.spool, delivered: { sent: end('sent'), deferred: end('deferred'), bounced: end('bounced') },
    bounces: {
      append: () => Promise.resolve(), flush: refuse, verp: refuse, warn: refuse, trace: refuse, one: refuse, close: () => undefined,
    },
  }
  const size = lines.join('\n').length
  const envelope = recipients.map((given): EnvelopeRecipient => {
    const recipient = typeof given === 'string' ? { address: given } : given
    return { offset: 1, address: '', original: recipient.address ?? '', dsnOrcpt: '', notify: 0, ...recipient }
  })
  const whole: DeliverRequest = {
    queueName: 'active', queueId: ID, dataOffset: message.dataOffset, contentSize: size, contentLength: size, sendOptions: 0,
    sender: 'alice@example.com', nexthop: 'next.example', encoding: '', envelopeId: '', retFlags: 0,
    flags: { trace: false, verify: false, userVerify: false, connLoad: false, connStore: false },
    arrival: { seconds: 1000, microseconds: 0 }, activeArrival: 0, clientName: '', clientAddress: '', clientPort: '', heloName: '',
    protocolName: '', saslMethod: '', saslUsername: '', saslSender: '', logIdent: '', rewriteContext: 'local', recipients: envelope,
    ...request,
  }
  return {
    delivery: { request: whole, message, tools, handoff: 0 }, ends,
    [Symbol.dispose]() {
      message.close()
      made[Symbol.dispose]()
    },
  }
}

/** Removes what `ownersFolder()` made. */
export function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}
