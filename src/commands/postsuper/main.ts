/**
 * postsuper: maintenance of the queue: delete, hold, release, requeue, expire messages; repair the structure.
 *
 * Reads, writes: the queue directory.
 * Privileges:    root, or the owner of the queue (mail_owner); as root it becomes that user before it
 *                touches a file.
 * Diagnostics:   each message that was treated, and the sums, on standard error and in the log.
 *
 * @module
 */
import { createInterface } from 'node:readline'
import { setImmediate as turn } from 'node:timers/promises'
import { CommandExit, fatal, parseOrUsage, runCommand, type TypedOption } from '#commands/getopt.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import { becomeOwner, enterQueue, mayControl } from '#commands/queue-owner.ts'
import { QueueDirectoryError, QueueMaintenance, type MassActions } from '#queue/maintain-all.ts'
import { emptyTally, MessageActions, type Tally } from '#queue/maintain.ts'
import { journaledMessages, recordRemoved } from '#queue/journal/recover.ts'
import { openSpool, type Spool, type SpoolName } from '#queue/spool.ts'
import { openProgramLog } from '#service/logging.ts'
import { log, setLog } from '#system/log.ts'

const PROGRAM = 'postsuper'
const USAGE = 'usage: postsuper [-c config_dir] [-d queue_id (delete)] [-e queue_id (expire)]'
  + ' [-f queue_id (expire and/or un-hold)] [-h queue_id (hold)] [-H queue_id (un-hold)] [-p (purge temporary files)]'
  + ' [-r queue_id (requeue)] [-s (structure fix)] [-S (redundant structure fix)][-v (verbose)] [queue...]'

/** What is treated when no queue is named. Logs come first: they must be at their places when messages are renamed. */
const DEFAULT_QUEUES: readonly SpoolName[] = [
  'defer', 'bounce', 'maildrop', 'incoming', 'active', 'deferred', 'hold', 'flush',
]
const QUEUES: readonly SpoolName[] = [...DEFAULT_QUEUES, 'trace']
const WILDCARD = 'ALL'
const RENAMED = 'QUEUE FILE NAMES WERE CHANGED TO MATCH INODE NUMBERS'
const INCOMPLETE = 'OPERATION INCOMPLETE -- RERUN COMMAND TO FIX THE QUEUE FIRST'
/** Files treated until signals are looked at. */
const FILES_PER_TURN = 100
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const

/** One run of the command. */
type Task = {
  readonly spool: Spool
  readonly queues: readonly SpoolName[]
  readonly options: readonly TypedOption[]
  readonly tally: Tally
}

function isQueue(name: string): name is SpoolName {
  return QUEUES.some((queue) => queue === name)
}

function queuesOf(operands: readonly string[]): readonly SpoolName[] {
  const queues = operands.map((name) => (isQueue(name) ? name : logAndExit(`invalid directory name: ${name}`)))
  return queues.length > 0 ? queues : DEFAULT_QUEUES
}

/** What options say about whole queues; ids are treated later. */
function massActions(options: readonly TypedOption[]): { maintenance: MassActions; wildcards: MassActions } {
  const all = (letters: string): boolean => {
    return options.some(([letter, value]) => letters.includes(letter) && value === WILDCARD)
  }
  const has = (letter: string): boolean => options.some(([typed]) => typed === letter)
  const nothing = !options.some(([letter]) => 'deEfhHprsS'.includes(letter))
  return {
    maintenance: {
      deleteAll: all('d'),
      purge: has('p') || nothing,
      structure: has('s') || has('S') || nothing,
      longIdsToo: has('S'),
    },
    wildcards: { requeueAll: all('r'), holdAll: all('h'), releaseAll: all('Hf'), expireAll: all('ef') },
  }
}

function asksFor(actions: MassActions): boolean {
  return Object.values(actions).some(Boolean)
}

/** Lets signals in now and then; the first one ends the work. */
function interruptible(): { pause: () => Promise<void>; done: () => void; signal: () => string | undefined } {
  let caught: string | undefined
  let count = 0
  const onSignal = (signal: string): void => { caught = signal }
  for (const signal of SIGNALS) process.on(signal, onSignal)
  return {
    pause: async () => {
      if (++count % FILES_PER_TURN === 0) await turn()
      if (caught !== undefined) throw new CommandExit('', 1)
    },
    done: () => { for (const signal of SIGNALS) process.off(signal, onSignal) },
    signal: () => caught,
  }
}

async function maintain({ spool, queues, options, tally }: Task): Promise<void> {
  const { maintenance, wildcards } = massActions(options)
  if (asksFor(maintenance) || asksFor(wildcards)) refuseHashedMaildrop(spool, queues)
  const interrupts = interruptible()
  const work = new QueueMaintenance(spool, tally, interrupts.pause)
  try {
    if (asksFor(maintenance)) await work.run(queues, maintenance)
    // Names with the suffix may stand in any queue, logs included.
    if (work.mismatches > 0) await work.run(QUEUES, { structure: true })
    if (work.fixed && (asksFor(wildcards) || hasIds(options))) refuseOldIds()
    if (asksFor(wildcards)) await work.run(queues, wildcards)
  } catch (error) {
    if (error instanceof QueueDirectoryError) logAndExit(error.message)
    throw error
  } finally {
    interrupts.done()
    const incomplete = interrupts.signal() !== undefined && work.fixed
    if (incomplete) log.warning(INCOMPLETE)
  }
}

function hasIds(options: readonly TypedOption[]): boolean {
  return options.some(([letter, value]) => 'defhHr'.includes(letter) && value !== undefined && value !== WILDCARD)
}

/** Ids that the admin gave may mean other messages now. */
function refuseOldIds(): never {
  log.error(RENAMED)
  log.fatal('CHECK YOUR QUEUE IDS AND RE-ISSUE THE COMMAND')
  log.warning(INCOMPLETE)
  throw new CommandExit('', 1)
}

function logAndExit(text: string): never {
  log.fatal(text)
  throw new CommandExit('', 1)
}

async function* idsOf(value: string): AsyncGenerator<string> {
  if (value !== '-') {
    yield value
    return
  }
  for await (const line of createInterface({ input: process.stdin })) yield line
}

/** Treats the ids, in the order of the command line. */
async function treatIds({ spool, queues, options, tally }: Task): Promise<void> {
  const actions = new MessageActions(spool, queues, tally)
  for (const [letter, value] of options) {
    if (!'defhHr'.includes(letter) || value === undefined || value === WILDCARD) continue
    for await (const id of idsOf(value)) treat(actions, letter, id)
  }
}

function treat(actions: MessageActions, letter: string, id: string): void {
  if (letter === 'd') actions.delete(id)
  else if (letter === 'h') actions.hold(id)
  else if (letter === 'H') actions.release(id)
  else if (letter === 'r') actions.requeue(id)
  else actions.expire(id)
  if (letter === 'f') actions.release(id)
}

/** The sums of what was asked for, also when nothing was found; renames only when there were any. */
function summarize(tally: Tally, options: readonly TypedOption[]): void {
  const asked = (letters: string): boolean => options.some(([letter]) => letters.includes(letter))
  const lines: readonly (readonly [boolean, string, number])[] = [
    [asked('r'), 'Requeued', tally.requeued],
    [asked('d'), 'Deleted', tally.deleted],
    [asked('ef'), 'Force-expired', tally.expired],
    [asked('h'), 'Placed on hold', tally.held],
    [asked('Hf'), 'Released from hold', tally.released],
    [tally.renamed > 0, 'Renamed to match inode number', tally.renamed],
  ]
  for (const [shown, title, count] of lines) {
    if (shown) log.info(`${title}: ${count} message${count === 1 ? '' : 's'}`)
  }
  if (tally.renamed > 0) log.warning(RENAMED)
}

/** Everyone may write to maildrop: no program goes into directories there. */
function refuseHashedMaildrop(spool: Spool, queues: readonly SpoolName[]): void {
  if (spool.hashNames.has('maildrop') && queues.includes('maildrop')) logAndExit('maildrop queue must not be hashed')
}

/** Runs the command. @throws {CommandExit} */
export async function main(argv: readonly string[]): Promise<number> {
  const { options, operands } = parseOrUsage(PROGRAM, 'c:d:e:f:h:H:pr:sSv', argv, { usage: USAGE, exitCode: 1 })
  const directory = options.findLast(([letter]) => letter === 'c')?.[1]
  if (directory !== undefined && !directory.startsWith('/')) fatal(PROGRAM, '-c requires absolute pathname')
  if (!mayControl(directory)) fatal(PROGRAM, 'use of this command is reserved for the superuser')
  const config = loadTrustedConfig(PROGRAM, directory)
  const verbose = options.some(([letter]) => letter === 'v')
  setLog(openProgramLog(config, { program: PROGRAM, verbose, stderr: PROGRAM }))
  enterQueue(config, logAndExit)
  if (!becomeOwner(config)) logAndExit('use of this command is reserved for the superuser')
  const queues = queuesOf(operands)
  // Paths in messages are relative, as in all of Postfix.
  const spool = openSpool(config, '.')
  const tally = emptyTally()
  const task = { spool, queues, options, tally }
  const journaled = options.some(([letter]) => letter === 'd' || letter === 'r') ? journaledMessages(spool) : []
  await maintain(task)
  await treatIds(task)
  await recordRemoved(spool, journaled)
  summarize(tally, options)
  log.flush()
  return 0
}

if (import.meta.main) runCommand(main)
