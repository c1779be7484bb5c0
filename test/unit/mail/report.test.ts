/** Delivery status notifications: see src/mail/report.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { composeReport, wrapText, type ReportFacts } from '#mail/report.ts'

const TEMPLATE = {
  charset: 'us-ascii', from: 'Mail Delivery System <MAILER-DAEMON>', subject: 'Undelivered', postmasterSubject: 'Copy',
  text: ['Hello'],
}
const FACTS: ReportFacts = {
  kind: 'failure', forPostmaster: false, to: 'alice@example.org', boundary: '90E7F2544D2.1795168800/mail.example.org',
  myhostname: 'mail.example.org', mailName: 'Post horn', queueId: '90E7F2544D2', sender: 'alice@example.org',
  returnPath: 'alice@example.org', envelopeId: 'envid1', arrivalDate: 'Fri, 20 Nov 2026 09:56:18 +0000 (UTC)',
  retryUntil: 'Wed, 25 Nov 2026 09:56:18 +0000 (UTC)', encoding: '8bit', smtputf8: false, headersOnly: false, threadId: '',
  tlsOptional: false,
  recipients: [{
    recipient: 'bob@example.net', original: 'info@example.org', dsnOrcpt: 'rfc822;info@example.org', status: '4.4.1', action: 'delayed',
    diagType: 'smtp', diagText: '550 5.1.1 no such user', mtaType: 'dns', mtaName: 'mx.example.net', reason: 'host mx.example.net said no',
  }],
}

test('composeReport() writes the three parts of a multipart/report [RFC 3462 §2]', () => {
  const { headers, head, tail } = composeReport(FACTS, TEMPLATE)
  assert.deepEqual(headers, [
    'From: Mail Delivery System <MAILER-DAEMON>', 'Subject: Undelivered', 'To: alice@example.org', 'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0', 'Content-Type: multipart/report; report-type=delivery-status;',
    '\tboundary="90E7F2544D2.1795168800/mail.example.org"', 'Content-Transfer-Encoding: 8bit',
  ])
  assert.deepEqual(head, [
    'This is a MIME-encapsulated message.', '', '--90E7F2544D2.1795168800/mail.example.org',
    'Content-Description: Notification', 'Content-Type: text/plain; charset=utf-8', 'Content-Transfer-Encoding: 8bit', '',
    'Hello', '', '<bob@example.net> (expanded from <info@example.org>): host mx.example.net said', '    no', '',
    '--90E7F2544D2.1795168800/mail.example.org',
    'Content-Description: Delivery report', 'Content-Type: message/delivery-status', '',
    'Reporting-MTA: dns; mail.example.org', 'Original-Envelope-Id: envid1', 'X-Post-horn-Queue-ID: 90E7F2544D2',
    'X-Post-horn-Sender: rfc822; alice@example.org', 'Arrival-Date: Fri, 20 Nov 2026 09:56:18 +0000 (UTC)', '',
    'Final-Recipient: rfc822; bob@example.net', 'Original-Recipient: rfc822;info@example.org',
    // An expired recipient keeps its 4.x.x, but its action is failed.
    'Action: failed', 'Status: 4.4.1', 'Remote-MTA: dns; mx.example.net', 'Diagnostic-Code: smtp; 550 5.1.1 no such user', '',
    '--90E7F2544D2.1795168800/mail.example.org',
    'Content-Description: Undelivered Message', 'Content-Type: message/rfc822', 'Content-Transfer-Encoding: 8bit', '',
    'Return-Path: <alice@example.org>',
  ])
  assert.deepEqual(tail, ['', '--90E7F2544D2.1795168800/mail.example.org--'])
})

test('composeReport() says until when a delayed message is tried', () => {
  const { head } = composeReport({ ...FACTS, kind: 'delay', headersOnly: true }, TEMPLATE)
  assert.ok(head.includes('Will-Retry-Until: Wed, 25 Nov 2026 09:56:18 +0000 (UTC)'))
  assert.ok(head.includes('Action: delayed'))
  assert.ok(head.includes('Content-Type: text/rfc822-headers'))
  assert.ok(head.includes('Content-Description: Undelivered Message Headers'))
})

test('composeReport() uses the global forms for UTF-8 addresses [RFC 6533]', () => {
  const recipients = [{ recipient: 'jürgen@example.net', status: '5.1.1', action: 'failed', reason: 'no' }]
  const { head } = composeReport({ ...FACTS, smtputf8: true, recipients }, TEMPLATE)
  assert.ok(head.includes('Content-Type: message/global-delivery-status'))
  assert.ok(head.includes('Final-Recipient: utf-8; jürgen@example.net'))
  assert.ok(head.includes('Content-Type: message/global'))
  assert.ok(head.includes('Diagnostic-Code: X-Post-horn; no'))
})

test('composeReport() spares postmaster the words for the sender', () => {
  const { headers, head } = composeReport({ ...FACTS, forPostmaster: true }, TEMPLATE)
  assert.ok(headers.includes('Subject: Copy'))
  assert.ok(headers.includes('Auto-Submitted: auto-generated'))
  assert.ok(!head.includes('Hello'))
})

test('wrapText() breaks at blanks only: 79 columns, then 75 after the indent', () => {
  const word = 'x'.repeat(30)
  assert.deepEqual(wrapText(`${word} ${word} ${word} ${word}`), [`${word} ${word}`, `    ${word} ${word}`])
  assert.deepEqual(wrapText('y'.repeat(200)), ['y'.repeat(200)])
})

test('wrapText() does not let a foreign text start a line', () => {
  assert.deepEqual(wrapText('550 no\r\nBcc: x@example.com'), ['550 no??Bcc: x@example.com'])
})
