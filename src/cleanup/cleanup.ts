/**
 * Every message's way into the queue: who receives a message gives its envelope and
 * content to a `CleanupMessage`, which rewrites and checks them, and writes the queue file.
 *
 * This is a library, linked into each program that receives or makes mail. Its
 * parameters are those of the `cleanup` service in master.cf: the caller passes
 * a configuration with that service's `-o` overrides.
 *
 * Source: cleanup(8).
 *
 * @module
 */
import type { Config } from '#config/config.ts'
import { openCommitter } from '#queue/commit.ts'
import { openSpool } from '#queue/spool.ts'
import { createQueueFile } from '#queue/write.ts'
import { systemClock } from '#system/clock.ts'
import type { CleanupFlags } from './flags.ts'
import { CleanupMessage } from './message.ts'
import { openSettings } from './settings.ts'
import { MessageState } from './state.ts'
import type { CleanupTools } from './tools.ts'

export type { CleanupFlags } from './flags.ts'
export type { CleanupMessage, CleanupResult } from './message.ts'
export type { CleanupTools } from './tools.ts'

/** The way into the queue of one configuration. */
export type Cleanup = {
  /**
   * Starts a message: its queue file exists, incomplete, when this returns.
   *
   * @throws {NodeJS.ErrnoException} ENOSPC, EACCES and kin.
   */
  begin(flags: CleanupFlags): CleanupMessage
  /** Closes files. No message may be at work. */
  close(): Promise<void>
}

/**
 * Reads the parameters and opens the tables, once per process and configuration.
 *
 * @param tools What is to replace the real queue and clock, and `bounceRejected`.
 * @throws {ConfigError} A parameter has a bad value.
 */
export function openCleanup(config: Config, tools: Partial<CleanupTools> = {}): Cleanup {
  const settings = openSettings(config)
  const spool = tools.spool ?? openSpool(config)
  const committer = tools.committer ?? openCommitter(spool, config)
  const all: CleanupTools = { clock: systemClock, ...tools, spool, committer }
  return {
    begin: (flags) => new CleanupMessage(new MessageState(settings, createQueueFile(spool, 'incoming'), flags, all)),
    close: async () => {
      if (tools.committer === undefined) await committer.close()
    },
  }
}
