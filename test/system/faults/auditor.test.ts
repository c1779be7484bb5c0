/** The auditor of the queue in a running queue manager, whose minute is short: see src/qmgr/auditor.ts. */
import assert from 'node:assert/strict'
import { globSync, renameSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FAULTY_PROGRAMS } from '#test/support/faults.ts'
import { answering, startPeer } from '#test/support/smtp-peer.ts'
import { queueFiles, submit, waitRemoved } from '#test/support/system-mail.ts'
import { eventually, startSystem } from '#test/support/system.ts'

const DAY_SECONDS = 86_400

test('what somebody put into active/, or stamped with tomorrow, is found, logged and delivered', async () => {
  let well = false
  await using far = await startPeer(answering({ rcpt: () => well ? '250 2.1.5 Ok' : '450 4.2.0 not now' }))
  await using system = await startSystem({
    // No attempt by itself within the test.
    main: { relayhost: `[127.0.0.1]:${far.port}`, minimal_backoff_time: '1000s', maximal_backoff_time: '2000s' }, programs: FAULTY_PROGRAMS,
  })
  const ids = [await submit(system, ['a@far.example']), await submit(system, ['b@far.example']), await submit(system, ['c@far.example'])]
  const deferred = (id: string): string | undefined => globSync(join(system.spool, `deferred/**/${id}`))[0]
  for (const id of ids) await eventually(`${id} in deferred`, () => deferred(id))
  well = true
  const [orphan = '', tomorrow = '', waits = ''] = ids
  renameSync(deferred(orphan) ?? '', join(system.spool, 'active', orphan))
  const later = Date.now() / 1000 + DAY_SECONDS
  utimesSync(deferred(tomorrow) ?? '', later, later)
  await waitRemoved(system, orphan)
  await waitRemoved(system, tomorrow)
  const found = system.log().flatMap((line) => /: warning: queue audit: (\w+): (.*) \(violation \d+ since the start\)$/.exec(line)?.slice(1).join(' ') ?? [])
  assert.deepEqual(found.map((text) => text.replaceAll(/\d+ s/g, 'N s')).toSorted(), [
    `${orphan} active: nobody owns it; moved to incoming`,
    `${tomorrow} deferred: the next attempt is N s away, more than maximal_backoff_time; tried now`,
  ].toSorted())
  assert.deepEqual(queueFiles(system).filter((name) => !name.startsWith('defer/')), [`deferred/${waits}`], 'what waits as it should is left alone')
})
