/**
 * Modules that are loaded only where they are needed, but before the process can no longer reach
 * their files: a worker in a chroot waits for them first.
 *
 * @module
 */

const pending = new Set<Promise<unknown>>()

/**
 * Makes a loader that loads once.
 *
 * @param load For example `() => import('pg')`.
 * @returns Starts to load, or gives what is loaded. A failure is that of every call.
 */
export function loadOnce<T>(load: () => Promise<T>): () => Promise<T> {
  let started: Promise<T> | undefined
  return () => {
    if (started !== undefined) return started
    const loading = load()
    started = loading
    const settled: Promise<unknown> = loading.then(() => pending.delete(settled), () => pending.delete(settled))
    pending.add(settled)
    return loading
  }
}

/** Waits until nothing is being loaded any more. */
export async function loadingDone(): Promise<void> {
  while (pending.size > 0) await Promise.all(pending)
}
