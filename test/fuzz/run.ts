/**
 * Runs the fuzz targets: every file beside this one that exports `target(bytes)`.
 *
 *   node test/fuzz/run.ts [--runs N] [--seed S] [TARGET…]
 *
 * Inputs are the files of `corpus/TARGET/`, what the target's `seeds()` makes, if it has that, and mutations of them and
 * of each other. A target fails by throwing what
 * its parser does not promise, or by taking longer than a second for one input. The failing input is printed with
 * the seed, so that it can become a file of the corpus.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { mutate, randomFrom } from './mutate.ts'

type Target = (bytes: Uint8Array) => void | Promise<void>

const FOLDER = import.meta.dirname
const SLOW_MS = 1000
const DEFAULT_RUNS = 2000
const HELPERS = new Set(['run.ts', 'mutate.ts'])

/** Names of all targets. */
export function targetNames(): string[] {
  return readdirSync(FOLDER).filter((file) => file.endsWith('.ts') && !HELPERS.has(file)).map((file) => basename(file, '.ts')).toSorted()
}

function corpusOf(name: string): Uint8Array[] {
  const folder = join(FOLDER, 'corpus', name)
  const files = existsSync(folder) ? readdirSync(folder).map((file) => readFileSync(join(folder, file))) : []
  return [...files, Buffer.from(''), Buffer.from('\n'), Buffer.from('a: b\r\n\r\nc\r\n.\r\n')]
}

async function loadTarget(name: string): Promise<{ target: Target; seeds: Uint8Array[] }> {
  const module: unknown = await import(join(FOLDER, `${name}.ts`))
  if (typeof module !== 'object' || module === null || !('target' in module) || typeof module.target !== 'function') {
    throw new TypeError(`test/fuzz/${name}.ts exports no target()`)
  }
  const { target } = module
  const seeds: unknown = 'seeds' in module && typeof module.seeds === 'function' ? Reflect.apply(module.seeds, undefined, []) : []
  return {
    target: async (bytes) => {
      await Reflect.apply(target, undefined, [bytes])
    },
    seeds: Array.isArray(seeds) ? seeds.filter((seed): seed is Uint8Array => seed instanceof Uint8Array) : [],
  }
}

/**
 * Runs one target.
 *
 * @returns Number of inputs tried.
 * @throws {Error} With the failing input, as a JSON string of Latin-1, and the seed.
 */
export async function fuzz(name: string, runs: number, seed: number): Promise<number> {
  const { target, seeds } = await loadTarget(name)
  const random = randomFrom(seed)
  const corpus = [...seeds, ...corpusOf(name)]
  for (let i = 0; i < corpus.length + runs; i += 1) {
    const input = corpus[i] ?? mutate(corpus, random)
    const started = performance.now()
    try {
      await target(Uint8Array.from(input))
    } catch (error) {
      throw new Error(`${name} fails on ${JSON.stringify(Buffer.from(input).toString('latin1'))} (seed ${seed}, run ${i})`, { cause: error })
    }
    if (performance.now() - started > SLOW_MS) throw new Error(`${name} is slow on an input of ${input.length} bytes (seed ${seed}, run ${i})`)
  }
  return corpus.length + runs
}

async function main(args: string[]): Promise<void> {
  const value = (flag: string): string | undefined => args.includes(flag) ? args.splice(args.indexOf(flag), 2)[1] : undefined
  const runs = Number(value('--runs') ?? DEFAULT_RUNS)
  const seed = Number(value('--seed') ?? Date.now() % 1_000_000)
  for (const name of args.length > 0 ? args : targetNames()) {
    process.stdout.write(`${name}: ${await fuzz(name, runs, seed)} inputs, seed ${seed}\n`)
  }
}

if (import.meta.main) await main(process.argv.slice(2))
