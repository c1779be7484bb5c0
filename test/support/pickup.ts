/** Our pickup on a temporary queue, without sockets. */
import { chmodSync, chownSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { openCleanup, type CleanupTools } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { openSpool } from '#queue/spool.ts'
import { Pickup } from '#receive/pickup/pickup.ts'
import { readSettings } from '#receive/pickup/settings.ts'

/** A file for maildrop. `seconds`: its time stamp. */
export type MaildropFile = {
  readonly name: string
  readonly bytes: Uint8Array
  readonly mode?: number
  readonly uid?: number
  readonly seconds?: number
}

/** Writes a file of maildrop as postdrop or postsuper leaves it. */
export function writeMaildrop(queue: string, { name, bytes, mode = 0o744, uid, seconds }: MaildropFile): string {
  const path = join(queue, 'maildrop', name)
  writeFileSync(path, bytes)
  if (uid !== undefined) chownSync(path, uid, -1)
  if (seconds !== undefined) utimesSync(path, seconds, seconds)
  chmodSync(path, mode)
  return path
}

/** Scans maildrop until nothing more can be taken. @returns Ids that are in the incoming queue. */
export async function runPickup(config: Config, tools: Partial<CleanupTools> = {}): Promise<string[]> {
  const spool = openSpool(config)
  const cleanup = openCleanup(config, { spool, ...tools })
  const ids: string[] = []
  const pickup = new Pickup({ spool, cleanup, settings: readSettings(config), queued: (id) => ids.push(id) })
  try {
    pickup.scan()
    await pickup.idle()
  } finally {
    await cleanup.close()
  }
  return ids
}
