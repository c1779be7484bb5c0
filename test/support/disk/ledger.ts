/**
 * What the world was promised about each message, and whether a queue keeps it: see `violations()`.
 *
 * Every recipient has an address of its own, `r17-2@far.example`, so that a copy, a requeued message or a notice can be
 * told from what it owes. Times are numbers of changes of the disk: what happened `at` 5 a cut after 5 changes has seen.
 */
import { readEnvelope } from '#queue/envelope.ts'
import { LOG_QUEUES, type QueueName } from '#queue/spool.ts'
import { isQueueId, type QueueId } from '#queue/id.ts'
import type { Inode } from './disk.ts'
import type { FileSystemKind } from './remains.ts'

/** One queue file, from the moment it is complete. */
export type Instance = {
  readonly id: QueueId
  readonly bytes: Buffer
  /** Addresses and the offsets of their records. */
  readonly recipients: readonly { readonly address: string; readonly offset: number }[]
  /** Addresses that it tells the sender about; empty: it is no notice. */
  readonly covers: readonly string[]
  /** The commit began. */
  readonly startedAt: number
  /** It was acknowledged; Infinity: not yet. */
  committedAt: number
  /** It left the queue; later ones count. `seconds` of the virtual clock, in milliseconds. */
  readonly removals: { readonly at: number; readonly ms: number }[]
  /** An earlier cut brought it back, which was allowed then. */
  mayReturn: boolean
  /** Removed, and that is on record: it may never come back. */
  recordedAt: number
}

/** Queues out of which mail is delivered. */
const LIVE: readonly QueueName[] = ['maildrop', 'incoming', 'active', 'deferred', 'hold']
/** What left longer ago never comes back: 100 ms for the record to be on its way, and the time that a slow device takes. */
export const RETURN_MS_MAX = 100 + 100
const READY = 0o700
const MARKED = new Set([0x52, 0x44, 0x2f])
const ADDRESS_REGEXP = /\br\d+-\d+@far\.example\b/g
const NOTICE_REGEXP = /Final-Recipient: rfc822; (r\d+-\d+@far\.example)/g

export class Ledger {
  readonly instances: Instance[] = []
  readonly byId = new Map<string, Instance[]>()
  /** Addresses whose sender needs nothing more: delivered, or told of the failure, or deleted by the admin. */
  readonly settled = new Map<string, number>()

  /** A queue file is complete; its commit begins. */
  start(id: QueueId, bytes: Buffer, at: number, inMaildrop: boolean): Instance {
    const { recipients } = inMaildrop ? { recipients: maildropRecipients(bytes) } : readEnvelope(bytes, { id })
    const text = bytes.toString('latin1')
    const covers = [...text.matchAll(NOTICE_REGEXP)].map(([, address = '']) => address)
    const instance: Instance = {
      id, bytes, covers, startedAt: at, committedAt: Infinity, removals: [], mayReturn: false, recordedAt: Infinity,
      recipients: recipients.map(({ address, offset }) => ({ address, offset })),
    }
    this.#add(instance)
    return instance
  }

  #add(instance: Instance): void {
    this.instances.push(instance)
    const same = this.byId.get(instance.id)
    if (same) same.push(instance)
    else this.byId.set(instance.id, [instance])
  }

  settle(address: string, at: number): void {
    if (!this.settled.has(address)) this.settled.set(address, at)
  }

  /** The file of this id is gone for good. */
  removed(id: string, at: number, ms: number): void {
    const instance = this.byId.get(id)?.findLast(({ startedAt }) => startedAt <= at)
    instance?.removals.push({ at, ms })
    // A notice that can't be delivered ends here: nobody is told about notices.
    for (const address of instance?.covers ?? []) this.settle(address, at)
  }

  /** What holds for a world that begins with what a cut at `at` left. */
  after(at: number, ms: number): Ledger {
    const next = new Ledger()
    for (const old of this.instances) {
      if (old.startedAt > at) continue
      const removal = old.removals.findLast((each) => each.at <= at)
      const mayReturn = old.mayReturn || (removal !== undefined && mayComeBack(removal.ms, ms))
      if (removal && !mayReturn && old.recordedAt > at && old.committedAt > at) continue
      next.#add({
        ...old, startedAt: -1, committedAt: old.committedAt <= at ? -1 : Infinity, mayReturn,
        removals: removal ? [{ at: -1, ms: removal.ms }] : [], recordedAt: old.recordedAt <= at ? -1 : Infinity,
      })
    }
    for (const [address, settledAt] of this.settled) if (settledAt <= at) next.settled.set(address, -1)
    return next
  }

  /** Addresses that were promised something by then. */
  owed(at: number): Set<string> {
    const all = this.instances.filter(({ committedAt }) => committedAt <= at)
    const addresses = all.flatMap(({ recipients }) => recipients.map(({ address }) => address)).filter((address) => address.startsWith('r'))
    return new Set(addresses.filter((address) => (this.settled.get(address) ?? Infinity) > at))
  }
}

function mayComeBack(removedMs: number, cutMs: number): boolean {
  return cutMs - removedMs <= RETURN_MS_MAX
}

/** A maildrop file has no size record. */
function maildropRecipients(bytes: Buffer): { address: string; offset: number }[] {
  return [...bytes.toString('latin1').matchAll(ADDRESS_REGEXP)].map((match) => ({ address: match[0], offset: match.index - 2 }))
}

type Found = { readonly queue: QueueName; readonly id: string; readonly inode: Inode }

function filesBelow(directory: Inode | undefined, queue: QueueName, into: Found[]): void {
  for (const [name, inode] of directory?.names ?? []) {
    if (inode.names) filesBelow(inode, queue, into)
    else into.push({ queue, id: name, inode })
  }
}

/** Recipients to whom this file would still be delivered; undefined: it is not this message, or not whole. */
function openRecipients({ bytes, recipients }: Instance, inode: Inode): string[] | undefined {
  if (inode.size !== bytes.length) return undefined
  const content = Buffer.from(inode.bytes.subarray(0, inode.size))
  const open: string[] = []
  for (const { address, offset } of recipients) {
    if (content[offset] === 0x52) open.push(address)
    if (MARKED.has(content[offset] ?? 0)) content[offset] = 0x52
  }
  return content.equals(bytes) ? open : undefined
}

function loggedAddresses(root: Inode): Set<string> {
  const found: Found[] = []
  for (const queue of LOG_QUEUES) filesBelow(root.names?.get(queue), 'saved', found)
  return new Set(found.flatMap(({ inode }) => inode.bytes.toString('latin1', 0, inode.size).match(ADDRESS_REGEXP) ?? []))
}

/** When the cut was, on which kind of file system. */
/**
 * `records`: the journal says what has left; with a sync of each file nothing does, as in Postfix. `lateMs`: how much later,
 * when its disk failed just then.
 */
export type Cut = {
  readonly at: number
  readonly ms: number
  readonly kind: FileSystemKind
  readonly records: boolean
  readonly lateMs: number
}

/** What is wrong with a queue that has recovered from a cut. */
export function violations(ledger: Ledger, root: Inode, cut: Cut): string[] {
  const { at } = cut
  const wrong: string[] = []
  const found: Found[] = []
  for (const queue of LIVE) filesBelow(root.names?.get(queue), queue, found)
  const kept = new Set<string>()
  const ids = new Map<string, string>()
  for (const file of found) {
    if (!isQueueId(file.id) || (file.inode.mode & READY) !== READY) continue
    const twin = ids.get(file.id)
    if (twin !== undefined && file.queue !== 'maildrop' && twin !== 'maildrop') wrong.push(`${file.id} is in ${twin} and in ${file.queue}`)
    ids.set(file.id, file.queue)
    const problem = checkFile(ledger, file, cut, kept)
    if (problem !== undefined) wrong.push(problem)
  }
  const owed = [...ledger.owed(at)].filter((address) => !kept.has(address))
  const logged = owed.length > 0 ? loggedAddresses(root) : undefined
  for (const address of owed) if (logged?.has(address) !== true || !isPresent(ledger, address, ids)) wrong.push(`${address} is lost`)
  return wrong
}

/** Its message is there, with its log: the notice comes. */
function isPresent(ledger: Ledger, address: string, ids: ReadonlyMap<string, string>): boolean {
  return ledger.instances.some(({ id, recipients }) => ids.has(id) && recipients.some((each) => each.address === address))
}

function checkFile(ledger: Ledger, { queue, id, inode }: Found, { at, ms, kind, records, lateMs }: Cut, kept: Set<string>): string | undefined {
  const candidates = (ledger.byId.get(id) ?? []).filter(({ startedAt }) => startedAt <= at)
  let returned: string | undefined
  for (const instance of candidates.toReversed()) {
    const open = openRecipients(instance, inode)
    if (!open) continue
    for (const address of [...open, ...instance.covers]) kept.add(address)
    const removal = instance.removals.findLast((each) => each.at <= at)
    if (!removal || open.length === 0) return undefined
    const recorded = instance.recordedAt <= at && !(instance.mayReturn && removal.at < 0)
    if (!recorded && (!records || mayComeBack(removal.ms + lateMs, ms) || instance.mayReturn)) return undefined
    returned = `${id} was removed ${(ms - removal.ms).toFixed(1)} ms before${recorded ? ', which is on record,' : ''} and is back in ${queue}`
  }
  if (returned !== undefined) return returned
  const promised = candidates.some(({ committedAt, removals }) => committedAt <= at && removals.length === 0)
  if (promised) return `${id} in ${queue} was acknowledged and is damaged`
  if (kind === 'posix' || !isReadable(inode, id)) return undefined
  return `${id} in ${queue} would be delivered, and is not what was received`
}

/** Whether the queue manager would deliver it. */
function isReadable(inode: Inode, id: string): boolean {
  try {
    return isQueueId(id) && readEnvelope(inode.bytes.subarray(0, inode.size), { id }).recipients.length > 0
  } catch {
    return false
  }
}
