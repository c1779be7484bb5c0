/** The From header that cleanup adds: as the real Postfix writes it, see test/interop/cleanup. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fromHeader } from '#cleanup/from-header.ts'

test('fromHeader() writes the full name as a phrase [RFC 5322 §3.4]', () => {
  const cases = [
    ['', 'From: x@y'],
    ['Alice A', 'From: Alice A <x@y>'],
    ['  Lead \t Name ', 'From: Lead Name <x@y>'],
    ['J. User', 'From: "J. User" <x@y>'],
    ['a "b" \\', 'From: "a \\"b\\" \\\\" <x@y>'],
    ["o'k", "From: o'k <x@y>"],
    ['a\r\nb\u0001c', 'From: a b c <x@y>'],
    ['Jörg', 'From: =?utf-8?Q?J=C3=B6rg?= <x@y>'],
    ['a?=_ö', 'From: =?utf-8?Q?a=3F=3D=5F=C3=B6?= <x@y>'],
    ['x'.repeat(59), `From: ${'x'.repeat(59)}\n<x@y>`],
    ['x'.repeat(58), `From: ${'x'.repeat(58)} <x@y>`],
  ] as const
  for (const [name, expected] of cases) assert.equal(fromHeader('', 'x@y', name, 'standard', 'utf-8'), expected)
  assert.equal(fromHeader('Resent-', 'x@y', 'A', 'standard', 'utf-8'), 'Resent-From: A <x@y>')
})

test('fromHeader() chooses base64 where half of a longer name has to be encoded [RFC 2047 §4]', () => {
  assert.match(fromHeader('', 'x@y', 'ö'.repeat(9), 'standard', 'utf-8'), /\?Q\?/)
  assert.match(fromHeader('', 'x@y', 'ö'.repeat(10), 'standard', 'utf-8'), /\?B\?/)
  const long = fromHeader('', 'x@y', 'ö'.repeat(60), 'standard', 'utf-8')
  for (const word of long.matchAll(/=\?\S+\?=/g)) assert.ok(word[0].length <= 75, word[0])
})

test('fromHeader() writes the full name as a comment with balanced parentheses', () => {
  const cases = [
    ['Alice A', 'From: x@y (Alice A)'],
    ['(x))', 'From: x@y ((x))'],
    ['((x)', 'From: x@y (((x)))'],
    [')(', 'From: x@y (())'],
    ['a \\( b', 'From: x@y (a \\( b)'],
    ['x\\', 'From: x@y (x)'],
  ] as const
  for (const [name, expected] of cases) assert.equal(fromHeader('', 'x@y', name, 'obsolete', 'utf-8'), expected)
})
