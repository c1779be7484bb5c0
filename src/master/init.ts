/**
 * Duties of process 1 in a container: children that lost their parent become
 * ours, and somebody has to collect them when they end.
 *
 * @module
 */
import { endedChild, reap } from '#system/posix.ts'

/** A child of ours is collected by Node.js a moment later; until then it hides the others. */
const RETRY_MS = 50
const BATCH_MAX = 1000

/**
 * Collects ended children that are not ours, from now on.
 *
 * @param isOurs Tells the processes that node:child_process looks after.
 */
export function collectOrphans(isOurs: (pid: number) => boolean): void {
  const look = (): void => {
    for (let i = 0; i < BATCH_MAX; i++) {
      const pid = endedChild()
      if (pid === undefined) return
      if (isOurs(pid)) {
        setTimeout(look, RETRY_MS).unref()
        return
      }
      reap(pid)
    }
  }
  process.on('SIGCHLD', () => setImmediate(look))
  look()
}
