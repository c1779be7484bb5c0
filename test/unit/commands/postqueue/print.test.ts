/** The listing as text: see src/commands/postqueue/print.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isMailHost } from '#commands/postqueue/mail-host.ts'
import { JsonPrinter, TablePrinter, type ListingPrinter } from '#commands/postqueue/print.ts'
import type { ListedRecipient } from '#queue/list.ts'
import { ctime } from '#mail/date.ts'
import type { ListedHead } from '#service/listing.ts'

const HEAD: ListedHead = {
  queue: 'deferred', id: '90E7F2544D2', time: 1795168578, size: 297, forcedExpire: false, sender: 'alice@example.org',
}
const DATE = ctime(new Date(HEAD.time * 1000)).slice(0, 20)

function recipient(address: string, reason = '', more: Partial<ListedRecipient> = {}): ListedRecipient {
  return { original: '', address, logClass: reason === '' ? '' : 'defer', reason, ...more }
}

function print(make: (write: (text: string) => void) => ListingPrinter, messages: readonly (readonly [ListedHead, ...ListedRecipient[]])[]): string {
  let text = ''
  const printer = make((more) => { text += more })
  for (const [head, ...recipients] of messages) {
    printer.message(head)
    for (const each of recipients) printer.recipient(each)
    printer.end()
  }
  printer.finish()
  return text
}

test('TablePrinter prints what mailq prints', () => {
  const reason = 'host mx.example.net[192.0.2.9] said: 450 4.2.0 try later (in reply to RCPT TO command)'
  const text = print((write) => new TablePrinter(write, false), [
    [HEAD, recipient('bob@example.net', reason)],
    [{ ...HEAD, queue: 'active', id: 'A0000112233', size: 310, sender: 'a@b.example' }, recipient('bob@example.net'), recipient('carol@example.net')],
    [{ ...HEAD, queue: 'hold', id: 'B0000112233', size: 348, forcedExpire: true }, recipient('a', 'short'), recipient('b', 'short'), recipient('c')],
  ])
  assert.equal(text, `-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------
90E7F2544D2     297 ${DATE} alice@example.org
(${reason})
                                         bob@example.net

A0000112233*     310 ${DATE} a@b.example
                                         bob@example.net
                                         carol@example.net

B0000112233!#     348 ${DATE} alice@example.org
${' '.repeat(71)}(short)
                                         a
                                         b
${' '.repeat(58)}(reason unavailable)
                                         c

-- 0 Kbytes in 3 Requests.
`)
})

test('TablePrinter has wider columns for long ids, and a line for the empty queue', () => {
  const text = print((write) => new TablePrinter(write, true), [[{ ...HEAD, id: '4jW9hf4CV7zLP29', size: 2048 }, recipient('bob@example.net')]])
  assert.equal(text, `----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
4jW9hf4CV7zLP29       2048 ${DATE.slice(0, 19)} alice@example.org
                                               bob@example.net

-- 2 Kbytes in 1 Request.
`)
  assert.equal(print((write) => new TablePrinter(write, true), []), 'Mail queue is empty\n')
})

test('JsonPrinter prints one object a line', () => {
  const text = print((write) => new JsonPrinter(write), [
    [{ ...HEAD, sender: '"a\\b\u0001"@x' }, recipient('b@y', 'why\t"so"', { original: 'o@y' }), recipient('c@y', 'no', { logClass: 'bounce' }), recipient('d@y')],
    [{ ...HEAD, forcedExpire: true }],
  ])
  assert.equal(text, String.raw`{"queue_name": "deferred", "queue_id": "90E7F2544D2", "arrival_time": 1795168578, "message_size": 297, "forced_expire": false, "sender": "\"a\\b\u0001\"@x", "recipients": [{"orig_address": "o@y", "address": "b@y", "delay_reason": "why\t\"so\""}, {"orig_address": "", "address": "c@y", "bounce_reason": "no"}, {"orig_address": "", "address": "d@y"}]}
{"queue_name": "deferred", "queue_id": "90E7F2544D2", "arrival_time": 1795168578, "message_size": 297, "forced_expire": true, "sender": "alice@example.org", "recipients": []}
`)
})

test('isMailHost() takes names and addresses in brackets', () => {
  for (const name of ['example.net', 'a_b.example', '[192.0.2.1]', '[IPv6:2001:db8::1]', '[::1]', 'x1']) assert.equal(isMailHost(name), true, name)
  for (const name of ['', '123', '1.2.3.4', 'a..b', '-a.example', 'a-.example', 'example.', '[x]', 'a b', 'x'.repeat(64)]) {
    assert.equal(isMailHost(name), false, name)
  }
})
