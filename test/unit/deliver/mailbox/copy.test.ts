/** Messages as mailboxes and commands get them: see src/deliver/mailbox/copy.ts and loop.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openMessage } from '#queue/content.ts'
import { RECORD } from '#queue/record.ts'
import { copyHead, copyMessage, MAILDIR_COPY, MBOX_COPY, type CopyOptions } from '#deliver/mailbox/copy.ts'
import { deliveredTo, isLoop } from '#deliver/mailbox/loop.ts'
import { createSpool, messageBytes } from '#test/support/spool.ts'

const RECIPIENT = { offset: 0, address: 'Bob Box@example.org', original: 'info@example.org', dsnOrcpt: '', notify: 0 }
const DATE = new Date('2026-11-06T09:56:18Z')
const NONE: CopyOptions = { fromLine: false, returnPath: false, originalTo: false, deliveredTo: undefined, blankLine: false, quoteFrom: false }

/** The copy of a message whose content is these lines; the last one has no end of its own with `cut`. */
function copy(lines: readonly string[], options: CopyOptions, { head = '', cut = false } = {}): string {
  using spool = createSpool()
  const content = lines.map((line, i) => [cut && i === lines.length - 1 ? RECORD.textPart : RECORD.text, line] as const)
  const id = spool.put('active', '90E7F2544D2', messageBytes({ content }))
  using message = openMessage(spool.spool, 'active', id)
  return Buffer.concat([...copyMessage(message, message.dataOffset, head, options)]).toString()
}

test('copyHead() writes the lines of each kind of delivery, in the order that readers know', () => {
  const mbox = { ...MBOX_COPY, deliveredTo: RECIPIENT.address }
  assert.match(copyHead('a b@example.com', RECIPIENT, mbox, DATE), new RegExp([
    '^From "a b"@example.com {2}Fri Nov {2}6 \\d\\d:56:18 2026', 'Return-Path: <"a b"@example.com>',
    'X-Original-To: info@example.org', 'Delivered-To: "Bob Box"@example.org', '$'].join('\n')))
  const maildir = { ...MAILDIR_COPY, deliveredTo: RECIPIENT.address }
  assert.equal(copyHead('', { ...RECIPIENT, original: '' }, maildir, DATE), 'Return-Path: <>\nDelivered-To: "Bob Box"@example.org\n')
  assert.match(copyHead('', RECIPIENT, { ...NONE, fromLine: true }, DATE), /^From MAILER-DAEMON {2}Fri Nov/)
})

test('copyMessage() quotes "From " at the start of lines, and only there, for mailbox files [RFC 4155]', () => {
  const lines = ['Subject: x', '', 'From here', ' From there', '>From x', 'From']
  assert.equal(copy(lines, { ...NONE, quoteFrom: true }), 'Subject: x\n\n>From here\n From there\n>From x\nFrom\n')
  assert.equal(copy(lines, NONE), `${lines.join('\n')}\n`)
})

test('copyMessage() ends the last line, adds the empty line of mailbox files, and keeps the head in front', () => {
  assert.equal(copy(['a', 'b'], { ...NONE, blankLine: true }, { head: 'H: 1\n', cut: true }), 'H: 1\na\nb\n\n')
})

test('copyMessage() writes CRLF and doubles dots for commands that speak SMTP', () => {
  assert.equal(copy(['a', '.', '..b'], { ...NONE, eol: '\r\n', dots: true }), 'a\r\n..\r\n...b\r\n')
})

test('deliveredTo() collects the Delivered-To: lines of the primary header, and isLoop() compares without case', () => {
  using spool = createSpool()
  const lines = ['Received: x', 'Delivered-To: Bob@Example.ORG', 'DELIVERED-TO: "a b"@example.org', 'To: y', ' Delivered-To: z@z', '', 'Delivered-To: body@x']
  const id = spool.put('active', '90E7F2544D2', messageBytes({ content: lines.map((line) => [RECORD.text, line] as const) }))
  using message = openMessage(spool.spool, 'active', id)
  const seen = deliveredTo(message, message.dataOffset)
  const cases = [['bob@example.org', true], ['a b@example.org', true], ['z@z', false], ['body@x', false]] as const
  for (const [address, expected] of cases) assert.equal(isLoop(seen, address), expected, address)
})
