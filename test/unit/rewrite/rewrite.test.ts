/** Rewriting rules, one by one. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rewriteAddress, rewriteInternal } from '#rewrite/rewrite.ts'
import type { RewriteRules } from '#rewrite/rewrite.ts'

const RULES: RewriteRules = {
  swapBangpath: true, allowPercentHack: true, appendAtMyorigin: true, appendDotMydomain: false,
  myorigin: 'origin.example', mydomain: 'domain.example', remoteHeaderRewriteDomain: '',
}

test('rewriteAddress() completes and straightens addresses', () => {
  const cases: readonly (readonly [string, string, Partial<RewriteRules>?])[] = [
    ['', ''],
    ['""', '""'],
    ['@', '""'],
    ['user', 'user@origin.example'],
    ['user@host', 'user@host'],
    ['user@host', 'user@host.domain.example', { appendDotMydomain: true }],
    ['user@[1.2.3.4]', 'user@[1.2.3.4]', { appendDotMydomain: true }],
    ['user@', 'user@', { appendDotMydomain: true }],
    ['site!user', 'user@site'],
    ['a!b!c', 'b!c@a'],
    ['site!user', 'site!user@origin.example', { swapBangpath: false }],
    ['user%site', 'user@site'],
    ['user%a%b', 'user%a@b'],
    ['user%site', 'user%site@origin.example', { allowPercentHack: false }],
    ['user', 'user', { appendAtMyorigin: false }],
    ['@a,@b:user@c', 'user@c'],
    ['user@host.', 'user@host'],
    ['user@host..', 'user@host..'],
    ['a@b@c', '"a@b"@c'],
  ]
  for (const [input, expected, rules = {}] of cases) {
    assert.equal(rewriteAddress({ ...RULES, ...rules }, 'local', input), expected, input)
  }
})

test('rewriteAddress() completes with the remote domain in remote context, or not at all', () => {
  assert.equal(rewriteAddress(RULES, 'remote', 'user'), 'user')
  const rules = { ...RULES, remoteHeaderRewriteDomain: 'remote.invalid', appendDotMydomain: true }
  assert.equal(rewriteAddress(rules, 'remote', 'user'), 'user@remote.invalid')
  assert.equal(rewriteAddress(rules, 'remote', 'user@host'), 'user@host.remote.invalid')
})

test('rewriteInternal() keeps what needs quotes, and the null address', () => {
  assert.equal(rewriteInternal(RULES, 'local', 'a b'), 'a b@origin.example')
  assert.equal(rewriteInternal(RULES, 'local', ''), '')
  assert.equal(rewriteInternal(RULES, 'local', 'a"b@c'), 'a"b@c')
})

test('rewriteAddress() has nothing left to do the second time', () => {
  const piece = fc.constantFrom('a', 'b.c', '@', '%', '!', '"q q"', '.', 'host', ' ', '(x)')
  fc.assert(fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
    const settled = rewriteAddress(RULES, 'local', rewriteAddress(RULES, 'local', pieces.join('')))
    assert.equal(rewriteAddress(RULES, 'local', settled), settled)
  }))
})
