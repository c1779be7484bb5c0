/**
 * Faults in a worker, switched on and off by a test while it runs: see faults.ts for the other end.
 *
 * The programs in test/fixtures/faults start with this module, and then are the real ones. Nothing of it is in src/.
 * Which fault there is says a file of JSON below the data directory, named for the program.
 */
import { existsSync, readFileSync, renameSync } from 'node:fs'
import { basename, join } from 'node:path'
import { nodeFileSystem, substituteFiles, type FileSystem } from '#system/files.ts'
import { errnoError } from './failing-files.ts'
import { isFault, type Fault } from './faults.ts'

const POLL_MS = 20
/** What the queue manager does each minute is done this often. */
const MINUTE_MS = 300
const MINUTE = 60_000
const ASYNCHRONOUS: ReadonlySet<string> = new Set(['fsync', 'fdatasync', 'freeBytes', 'unlinkAsync'])

const program = basename(process.argv[1] ?? '', '.ts')
const file = join(process.env['MAIL_CONFIG'] ?? '', '../data', `fault.${program}`)

function current(): Fault | undefined {
  if (!existsSync(file)) return undefined
  try {
    const fault: unknown = JSON.parse(readFileSync(file, 'utf8'))
    return isFault(fault) ? fault : undefined
  } catch {
    // Just removed.
    return undefined
  }
}

/** Only one process of a service has a fault that ends it. */
function claim(): boolean {
  try {
    renameSync(file, `${file}.${process.pid}`)
    return true
  } catch {
    return false
  }
}

function failFiles(): void {
  const substitute: FileSystem = new Proxy(nodeFileSystem, {
    get(target, key: keyof FileSystem) {
      const call = target[key]
      return (...args: unknown[]): unknown => {
        const fault = current()
        if (fault?.kind !== 'files' || fault.call !== key) return Reflect.apply(call, target, args)
        const error = errnoError(fault.code)
        if (ASYNCHRONOUS.has(key)) return Promise.reject(error)
        throw error
      }
    },
  })
  substituteFiles(substitute)
}

/** The time of day of this process, `offsetMs` from the real one. */
function shiftClock(offsetMs: () => number): void {
  const RealDate = Date
  class ShiftedDate extends RealDate {
    constructor(...args: readonly [] | ConstructorParameters<typeof Date>) {
      if (args.length === 0) super(ShiftedDate.now())
      else super(...args)
    }

    static override now(): number {
      return RealDate.now() + offsetMs()
    }
  }
  globalThis.Date = Object.assign(ShiftedDate)
  const realInterval = setInterval
  globalThis.setInterval = Object.assign((work: () => void, ms?: number) => realInterval(work, ms === MINUTE ? MINUTE_MS : ms), realInterval)
}

function exhaustMemory(): void {
  for (const hog: unknown[] = []; ;) hog.push(Array.from({ length: 100_000 }, (_, i) => ({ i })))
}

let offset = 0
failFiles()
shiftClock(() => offset)
setInterval(() => {
  const fault = current()
  offset = fault?.kind === 'clock' ? fault.offsetMs : 0
  if (fault?.kind === 'throw' && claim()) throw new Error('a fault made by the test')
  if (fault?.kind === 'memory' && claim()) exhaustMemory()
}, POLL_MS).unref()
