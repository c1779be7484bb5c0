/** Any bytes as a file of maildrop: pickup takes it, or sets it aside, and never leaves a half message behind. */
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openCleanup } from '#cleanup/cleanup.ts'
import { setLog } from '#system/log.ts'
import { Pickup } from '#receive/pickup/pickup.ts'
import { readSettings } from '#receive/pickup/settings.ts'
import { silentLog } from '#test/support/silent-log.ts'
import { testSpool } from '#test/support/cleanup.ts'
import { writeMaildrop } from '#test/support/pickup.ts'

setLog(silentLog)

const queue = testSpool({ content_filter: 'a:b', mail_owner: 'root' })
process.once('exit', () => queue[Symbol.dispose]())
const queued: string[] = []
const pickup = new Pickup({
  spool: queue.spool,
  settings: readSettings(queue.config),
  queued: (id) => queued.push(id),
  cleanup: openCleanup(queue.config, {
    spool: queue.spool,
    committer: { commit: async (file) => { file.flush(); file.close() }, close: () => Promise.resolve() },
  }),
})

/** The bytes are the file. */
export async function target(bytes: Uint8Array): Promise<void> {
  const path = writeMaildrop(queue.path, { name: 'ABCDEF123456', bytes })
  queued.length = 0
  pickup.scan()
  await pickup.idle()
  const incoming = readdirSync(join(queue.path, 'incoming'))
  if (incoming.length !== queued.length) throw new Error(`${incoming.length} files are in incoming, and ${queued.length} were made known`)
  for (const folder of ['incoming', 'corrupt']) {
    for (const name of readdirSync(join(queue.path, folder))) rmSync(join(queue.path, folder, name))
  }
  rmSync(path, { force: true })
}
