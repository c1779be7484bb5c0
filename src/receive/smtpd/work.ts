/**
 * Work that may have to wait: generators that yield promises and nothing else.
 *
 * Written like async functions, but what has its answers at hand runs to its end
 * at once, without a turn of the loop and without a promise: most commands do.
 */
import { isPromise, type MaybePromise } from '#util/maybe.ts'

/** Steps that end with a `T`. Each yielded promise is answered with its value. */
export type Work<T> = Generator<Promise<unknown>, T, unknown>

/** The value, waited for where needed: `const x = yield* wait(port())`. */
export function* wait<T>(value: MaybePromise<T>): Work<T> {
  if (!isPromise(value)) return value
  const results: T[] = []
  yield value.then((settled) => results.push(settled))
  // The runner resumes when the promise has settled, and throws when it was rejected.
  for (const result of results) return result
  throw new TypeError('Cannot go on as the promise has not settled')
}

/** Runs work to its end, or to a promise of it. */
export function run<T>(work: Work<T>): MaybePromise<T> {
  const step = work.next()
  return step.done === true ? step.value : later(work, step.value)
}

async function later<T>(work: Work<T>, first: Promise<unknown>): Promise<T> {
  let waiting = first
  for (;;) {
    const step = await next(work, waiting)
    if (step.done === true) return step.value
    waiting = step.value
  }
}

async function next<T>(work: Work<T>, waiting: Promise<unknown>): Promise<IteratorResult<Promise<unknown>, T>> {
  try {
    await waiting
  } catch (error) {
    return work.throw(error)
  }
  return work.next()
}
