/** What ours and the real qmgr do with destinations that fail, transports that wait, and senders that vary. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeAbsent } from '#test/support/judge.ts'
import { startTwins, type Twin } from '#test/support/twins.ts'

/** Delivery lines. */
const ENDS = /^(?:smtp|error)\[.* status=/

/** Limits of one transport each; all send to a port where nobody listens. */
const TRANSPORTS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  cohorts: { failed_cohort_limit: '3' },
  bad: { failed_cohort_limit: '3', negative_feedback: '1/foo' },
  slow: { failed_cohort_limit: '3', negative_feedback: '1/concurrency' },
}
/** Two recipients a request: more requests than the window of a destination is wide. */
const RECIPIENTS = Array.from({ length: 30 }, (_, i) => `u${String(i).padStart(2, '0')}`)

function parameters(): Record<string, string> {
  const values: Record<string, string> = { transport_maps: 'texthash:$DIR/transport', default_destination_concurrency_positive_feedback: '7' }
  for (const [name, limits] of Object.entries(TRANSPORTS)) {
    values[`${name}_destination_recipient_limit`] = '2'
    for (const [suffix, value] of Object.entries(limits)) values[`${name}_destination_concurrency_${suffix}`] = value
  }
  return values
}

async function sendAll(twin: Twin): Promise<void> {
  for (const name of Object.keys(TRANSPORTS)) {
    await twin.send('a@far.example', RECIPIENTS.map((user) => `${user}@${name}.example`), 'From: a@far.example\nSubject: mail\n\nHello.')
  }
  await twin.settled()
}

async function sendVaried(twin: Twin): Promise<void> {
  await twin.send('a@far.example', ['x@waiting.example', 'y@other.example'], 'From: a@far.example\nSubject: mail\n\nHello.')
  const recipients = ['bob@one.example', 'eve+x@one.example', 'a=b@two.example', 'z@waiting.example']
  await twin.send('list@far.example', recipients, 'From: a@far.example\nSubject: verp\n\nHello.', { mail: ' XVERP' })
  await twin.send('list@far.example', recipients, 'From: a@far.example\nSubject: verp\n\nHello.', { mail: ' XVERP=-=' })
  await twin.settled()
}

/** How often a warning is said is each one's own. */
function warnings(twin: Twin): Set<string> {
  return new Set(twin.lines(/^qmgr\[.* warning:/))
}

test('qmgr leaves a dead destination alone after as many failures as the real one', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using twins = await startTwins({
    main: parameters(), master: Object.keys(TRANSPORTS).map((name) => `${name} unix - - n - 1 smtp`),
    files: { transport: Object.keys(TRANSPORTS).map((name) => `${name}.example ${name}:[127.0.0.1]:1\n`).join('') },
  })
  await Promise.all([sendAll(twins.real), sendAll(twins.ours)])
  assert.deepEqual(twins.ours.lines(ENDS), twins.real.lines(ENDS))
  assert.deepEqual(warnings(twins.ours), warnings(twins.real))
  return undefined
})

test('qmgr defers a transport of defer_transports, and gives each recipient of VERP mail a sender of its own, as the real one', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using twins = await startTwins({
    main: { transport_maps: 'texthash:$DIR/transport', defer_transports: 'waiting', smtpd_authorized_verp_clients: '127.0.0.1' },
    master: ['waiting unix - - n - - smtp'], files: { transport: 'waiting.example waiting:\n' },
  })
  await Promise.all([sendVaried(twins.real), sendVaried(twins.ours)])
  assert.deepEqual(twins.ours.lines(ENDS), twins.real.lines(ENDS))
  assert.equal(twins.real.arrived().length, 7)
  assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
  return undefined
})

test('qmgr reports a transport without a service, and returns mail at the end of its lifetime, in the words of the real one', async (t) => {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  await using twins = await startTwins({
    main: { transport_maps: 'texthash:$DIR/transport', maximal_queue_lifetime: '0', bounce_queue_lifetime: '0' },
    files: { transport: 'absent.example absent:\ndead.example smtp:[127.0.0.1]:1\n' },
  })
  await Promise.all([twins.real, twins.ours].map(async (twin) => {
    for (const from of ['a@far.example', '']) {
      // One transport a message: the order of a notice is that in which deliveries end.
      for (const to of [['x@absent.example', 'y@absent.example'], ['z@dead.example'], ['w@other.example']]) {
        await twin.send(from, to, 'From: a@far.example\nSubject: mail\n\nHello.')
      }
    }
    await twin.settled()
  }))
  const lines = /^(?:smtp|error|qmgr|bounce)\[.*(?: status=| notification)/
  assert.deepEqual(twins.ours.lines(lines), twins.real.lines(lines))
  assert.deepEqual(warnings(twins.ours), warnings(twins.real))
  assert.equal(twins.real.arrived().length, 4)
  assert.deepEqual(twins.ours.arrived(), twins.real.arrived())
  return undefined
})
