/**
 * What a power cut leaves of a disk.
 *
 * Two kinds of file systems:
 *
 *   `ordered`  what ext4 (data=ordered, delayed allocation) and xfs do. All changes of names and attributes, and files
 *              cut short, are there up to some point, in order; a sync of anything takes with it what came before. New bytes of a file are there up
 *              to some time, blocks that it had before by themselves, and their sectors may tear.
 *   `posix`    no more than POSIX promises. Each change of a name is there or not, but for what was done to the
 *              same name or the same file before; a rename is whole. Attributes of a file, and each sector of each write,
 *              come on their own; a file may be longer than what was written of it, and is zero there.
 *
 * What was synced is there: a file's bytes and attributes by a sync of the file, its name by that of its directory.
 */
import type { Random } from '../../fuzz/mutate.ts'
import { Inode, type Attributes, type Change } from './disk.ts'

export type FileSystemKind = 'ordered' | 'posix'

type NameChange = Extract<Change, { kind: 'link' | 'unlink' | 'rename' }>
type AttributesChange = Extract<Change, { kind: 'attributes' }>
type DataChange = Extract<Change, { kind: 'write' | 'truncate' }>
type TruncateChange = Extract<Change, { kind: 'truncate' }>
/** What goes through the log of an ordered file system. */
type LoggedChange = NameChange | AttributesChange | TruncateChange
type Numbered<T> = { readonly number: number; readonly change: T }

/** What of a file is on disk for sure, and what may be. */
type Stored = {
  bytes: Buffer
  /** Somebody else looks at `bytes` too. */
  shared: boolean
  size: number
  attributes: Attributes
  data: Numbered<DataChange>[]
  pending: Numbered<AttributesChange>[]
}

const NOTHING: Buffer = Buffer.alloc(0)
const SECTOR_BYTES = 512
const PAGE_BYTES = 4096

/** How much of what was not synced is there: nothing, everything, or some. */
type Luck = 'nothing' | 'everything' | 'some'
const LUCK: readonly Luck[] = ['nothing', 'everything', 'some', 'some']

/** Follows the changes of a disk; `afterCut()` can be asked for at any time. */
export class Remains {
  readonly #kind: FileSystemKind
  #random: Random
  readonly #root: Inode
  readonly #names = new Map<Inode, Map<string, Inode>>()
  readonly #stored = new Map<Inode, Stored>()
  /** Changes of names; with `ordered`, all that is logged. */
  #pending: Numbered<LoggedChange>[] = []

  /** @param root Of a disk before any change: all that it holds is on disk. */
  constructor(kind: FileSystemKind, root: Inode, random: Random) {
    this.#kind = kind
    this.#random = random
    this.#root = root
    this.#take(root)
  }

  #take(inode: Inode): void {
    const { mode, uid, gid, mtimeMs } = inode
    inode.shared = true
    this.#stored.set(inode, { bytes: inode.bytes, shared: true, size: inode.size, attributes: { mode, uid, gid, mtimeMs }, data: [], pending: [] })
    if (!inode.names) return
    this.#names.set(inode, new Map(inode.names))
    for (const child of inode.names.values()) this.#take(child)
  }

  /** Change number `number` was made. */
  add(number: number, change: Change): void {
    switch (change.kind) {
      case 'link':
        this.#stored.set(change.inode, { bytes: NOTHING, shared: true, size: 0, attributes: change.attributes, data: [], pending: [] })
        if (change.inode.names) this.#names.set(change.inode, new Map())
        this.#pending.push({ number, change })
        break
      case 'unlink':
      case 'rename':
        this.#pending.push({ number, change })
        break
      case 'attributes':
        if (this.#kind === 'ordered') this.#pending.push({ number, change })
        else this.#of(change.inode).pending.push({ number, change })
        break
      case 'write':
      case 'truncate':
        this.#of(change.inode).data.push({ number, change })
        if (this.#kind === 'ordered' && change.kind === 'truncate') this.#pending.push({ number, change })
        break
      case 'sync':
        if (change.failed) this.#lose(change.inode, change.upTo)
        else this.#sync(change.inode, change.upTo, change.data)
        break
      default:
        change satisfies never
    }
  }

  #of(inode: Inode): Stored {
    const stored = this.#stored.get(inode)
    if (!stored) throw new Error('a change of an unknown file')
    return stored
  }

  #sync(inode: Inode, upTo: number, data: boolean): void {
    const stored = this.#of(inode)
    while ((stored.data[0]?.number ?? Infinity) < upTo) applyData(stored, stored.data.shift())
    if (this.#kind === 'ordered') this.#pending = this.#pending.filter(({ number, change }) => change.kind !== 'truncate' || change.inode !== inode || number >= upTo)
    if (data) return
    while ((stored.pending[0]?.number ?? Infinity) < upTo) stored.attributes = stored.pending.shift()?.change.attributes ?? stored.attributes
    if (this.#kind === 'ordered') this.#syncOrdered(inode, upTo)
    else if (inode.names) this.#syncNames(inode, upTo)
  }

  /** All before its last change go with it. */
  #syncOrdered(inode: Inode, upTo: number): void {
    const last = this.#pending.findLastIndex(({ number, change }) => number < upTo && touches(change, inode))
    for (const { number, change } of this.#pending.splice(0, last + 1)) {
      if (change.kind === 'truncate') cutShort(this.#of(change.inode), number, change.length)
      else this.#apply(change, this.#names)
    }
  }

  /** Changes of its names, and those that they build upon. */
  #syncNames(dir: Inode, upTo: number): void {
    const wanted = this.#pending.map(({ number, change }) => number < upTo && changesNamesOf(change, dir))
    if (!wanted.includes(true)) return
    for (let i = this.#pending.length - 1; i >= 0; i -= 1) {
      const change = this.#pending[i]?.change
      if (wanted[i] !== true || !change) continue
      for (let before = 0; before < i; before += 1) {
        const earlier = this.#pending[before]?.change
        if (earlier && dependsOn(change, earlier)) wanted[before] = true
      }
    }
    const rest: Numbered<LoggedChange>[] = []
    for (const [i, each] of this.#pending.entries()) {
      if (wanted[i] === true && each.change.kind !== 'truncate') this.#apply(each.change, this.#names)
      else rest.push(each)
    }
    this.#pending = rest
  }

  /** What was not written out now is forgotten; nobody knows which part that is. */
  #lose(inode: Inode, upTo: number): void {
    const stored = this.#of(inode)
    const at = stored.data.findIndex(({ number }) => number >= upTo)
    const lost = stored.data.splice(0, at < 0 ? stored.data.length : at)
    const copy = { ...stored, data: lost }
    applySome(copy, this.#random, 'some', 'posix')
    Object.assign(stored, { bytes: copy.bytes, shared: copy.shared, size: copy.size })
  }

  #apply(change: NameChange | AttributesChange, names: Map<Inode, Map<string, Inode>>, attributes?: Map<Inode, Attributes>): void {
    switch (change.kind) {
      case 'link': names.get(change.dir)?.set(change.name, change.inode); break
      case 'unlink': names.get(change.dir)?.delete(change.name); break
      case 'rename':
        names.get(change.dir)?.delete(change.name)
        names.get(change.toDir)?.set(change.toName, change.inode)
        break
      case 'attributes':
        if (attributes) attributes.set(change.inode, change.attributes)
        else this.#of(change.inode).attributes = change.attributes
        break
      default: change satisfies never
    }
  }

  /** The root of what a cut leaves now: one of many possibilities. */
  afterCut(random: Random): Inode {
    this.#random = random
    const names = new Map([...this.#names].map(([dir, entries]) => [dir, new Map(entries)] as const))
    const attributes = new Map<Inode, Attributes>()
    const cut = new Map<Inode, number>()
    for (const { number, change } of this.#survivingChanges()) {
      if (change.kind === 'truncate') cut.set(change.inode, number)
      else this.#apply(change, names, attributes)
    }
    return this.#build(this.#root, { names, attributes, cut })
  }

  #survivingChanges(): Numbered<LoggedChange>[] {
    const pending = this.#pending
    const luck = LUCK[this.#random(LUCK.length)] ?? 'some'
    if (luck === 'everything') return pending
    if (luck === 'nothing') return []
    if (this.#kind === 'ordered') return pending.slice(0, this.#random(pending.length + 1))
    const lost: LoggedChange[] = []
    const oneIn = 1 + this.#random(6)
    return pending.filter(({ change }) => {
      if (this.#random(oneIn) > 0 && !lost.some((earlier) => dependsOn(change, earlier))) return true
      lost.push(change)
      return false
    })
  }

  #build(old: Inode, surviving: Surviving): Inode {
    const stored = this.#of(old)
    const entries = surviving.names.get(old)
    const found = surviving.attributes.get(old) ?? this.#survivingAttributes(stored)
    if (!entries) return this.#buildFile(old, this.#cutShort(stored, surviving.cut.get(old) ?? -1), found)
    const inode = new Inode(old.number, true, found)
    for (const [name, child] of entries) inode.names?.set(name, this.#build(child, surviving))
    return inode
  }

  /** With the truncations up to number `upTo`; new bytes that came after a later one are not there without it. */
  #cutShort(stored: Stored, upTo: number): Stored {
    if (this.#kind !== 'ordered' || !stored.data.some(({ change }) => change.kind === 'truncate')) return stored
    const copy = { ...stored, shared: true, data: [...stored.data] }
    for (const { number, change } of stored.data) if (change.kind === 'truncate' && number <= upTo) cutShort(copy, number, change.length)
    const lost = copy.data.findIndex(({ change }) => change.kind === 'truncate')
    if (lost >= 0) copy.data.splice(lost)
    return copy
  }

  #survivingAttributes({ attributes, pending }: Stored): Attributes {
    const kept = this.#random(pending.length + 1)
    return pending[kept - 1]?.change.attributes ?? attributes
  }

  #buildFile(old: Inode, stored: Stored, attributes: Attributes): Inode {
    const luck = LUCK[this.#random(LUCK.length)] ?? 'some'
    const unchanged = stored.data.length === 0 || luck === 'nothing'
    stored.shared = true
    const content = unchanged ? stored : { ...stored }
    if (!unchanged) applySome(content, this.#random, luck, this.#kind)
    const inode = new Inode(old.number, false, attributes, content.bytes)
    inode.size = content.size
    inode.shared = content.shared
    inode.links = 1
    return inode
  }
}

/** What is there after a cut, besides bytes. `cut`: the last truncation of each file. */
type Surviving = {
  readonly names: ReadonlyMap<Inode, ReadonlyMap<string, Inode>>
  readonly attributes: ReadonlyMap<Inode, Attributes>
  readonly cut: ReadonlyMap<Inode, number>
}

function isNameChange(change: LoggedChange): change is NameChange {
  return change.kind !== 'attributes' && change.kind !== 'truncate'
}

function touches(change: LoggedChange, inode: Inode): boolean {
  return change.inode === inode || changesNamesOf(change, inode)
}

function changesNamesOf(change: LoggedChange, dir: Inode): boolean {
  if (!isNameChange(change)) return false
  return change.dir === dir || (change.kind === 'rename' && change.toDir === dir)
}

/** The same name, or the same file, or the directory in which it is, or another file's number that was free again. */
function dependsOn(change: LoggedChange, earlier: LoggedChange): boolean {
  if (!isNameChange(change) || !isNameChange(earlier)) return false
  if (change.inode === earlier.inode) return true
  if (change.kind === 'link' && freed(earlier) === change.inode.number) return true
  if (earlier.kind === 'link' && (earlier.inode === change.dir || (change.kind === 'rename' && earlier.inode === change.toDir))) return true
  return placesOf(change).some(([dir, name]) => placesOf(earlier).some(([otherDir, other]) => dir === otherDir && name === other))
}

/** The number of the file that this change took the last name of. */
function freed(change: NameChange): number | undefined {
  if (change.kind === 'rename') return change.replaced?.number
  return change.kind === 'unlink' ? change.inode.number : undefined
}

function placesOf(change: NameChange): (readonly [Inode, string])[] {
  const place = [change.dir, change.name] as const
  return change.kind === 'rename' ? [place, [change.toDir, change.toName]] : [place]
}

/** Makes `bytes` its own, with room for `size`. */
function setSize(stored: Stored, size: number): void {
  if (stored.shared || size > stored.bytes.length) {
    const bytes = Buffer.alloc(Math.ceil(Math.max(size, stored.size) / PAGE_BYTES) * PAGE_BYTES)
    stored.bytes.copy(bytes, 0, 0, stored.size)
    stored.bytes = bytes
    stored.shared = false
  }
  if (size < stored.size) stored.bytes.fill(0, size, stored.size)
  stored.size = size
}

/** Truncation number `number` is on disk: what was written before behind `length` does not matter any more. */
function cutShort(stored: Stored, number: number, length: number): void {
  stored.data = stored.data.flatMap((each) => {
    if (each.number > number) return [each]
    const { change } = each
    if (change.kind === 'truncate' || change.at >= length) return []
    return [{ number: each.number, change: { ...change, bytes: change.bytes.subarray(0, length - change.at) } }]
  })
  if (stored.size > length) setSize(stored, length)
}

function applyData(stored: Stored, numbered: Numbered<DataChange> | undefined): void {
  if (!numbered) return
  const { change } = numbered
  if (change.kind === 'truncate') {
    setSize(stored, change.length)
    return
  }
  setSize(stored, Math.max(stored.size, change.at + change.bytes.length))
  stored.bytes.set(change.bytes, change.at)
}

/** Applies a part of what is pending to `stored`. */
function applySome(stored: Stored, random: Random, luck: Luck, kind: FileSystemKind): void {
  const { data } = stored
  // What was written out together: everything up to some time.
  const whole = luck === 'everything' ? data.length : kind === 'posix' && random(2) === 0 ? 0 : random(data.length + 1)
  for (const each of data.slice(0, whole)) applyData(stored, each)
  if (luck === 'everything') return
  for (const { change } of data.slice(whole)) {
    if (change.kind === 'truncate') {
      if (random(2) === 0) setSize(stored, change.length)
    } else applyTorn(stored, change, random, kind)
  }
}

function applyTorn(stored: Stored, { at, bytes }: { at: number; bytes: Uint8Array }, random: Random, kind: FileSystemKind): void {
  // An ordered file system knows no length without its bytes.
  if (kind === 'posix' && random(2) === 0) setSize(stored, Math.max(stored.size, at + bytes.length))
  const oneIn = 1 + random(4)
  setSize(stored, stored.size)
  for (let start = 0; start < bytes.length && at + start < stored.size;) {
    const end = Math.min(bytes.length, start + SECTOR_BYTES - ((at + start) % SECTOR_BYTES), stored.size - at)
    if (random(oneIn) === 0) stored.bytes.set(bytes.subarray(start, end), at + start)
    start = end
  }
}
