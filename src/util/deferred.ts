/** Promises that others settle, and waits that a signal can end. */

/** A promise with its two ends in the open. */
export type Deferred<T> = {
  readonly promise: Promise<T>
  readonly resolve: (value: T | PromiseLike<T>) => void
  readonly reject: (reason: unknown) => void
}

/** A promise that the caller settles later. */
export function deferred<T>(): Deferred<T> {
  return Promise.withResolvers<T>()
}

/**
 * The value of `promise`, unless `signal` aborts first. The promise itself goes on.
 *
 * @throws The reason of `signal`, or of `promise`.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = deferred<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
