/** Character sets of databases: see src/util/charset.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openCharset } from '#util/charset.ts'
import { decodeRaw } from '#util/raw-text.ts'

const raw = (...bytes: number[]): string => decodeRaw(Uint8Array.from(bytes))

test('read() takes the bytes of UTF-8 text for characters of the set', () => {
  assert.equal(openCharset('latin1')?.read('\u00e9'), '\u00c3\u00a9')
  assert.equal(openCharset('koi8-r')?.read(raw(0xc1)), '\u0430')
  assert.equal(openCharset('shift_jis')?.read(raw(0x83, 0x5c)), '\u30bd')
  assert.equal(openCharset('gbk')?.read("plain '\\"), "plain '\\")
})

test('read() never hides a quote behind half a character', () => {
  for (const label of ['shift_jis', 'gbk', 'big5', 'euc-jp', 'euc-kr']) {
    const charset = openCharset(label)
    for (let first = 0x80; first < 0x100; first++) {
      const text = charset?.read(raw(first, 0x27))
      assert.ok(text === undefined || text.endsWith("'"), `${label} ${first.toString(16)}`)
    }
  }
})

test('write() gives the bytes back, and refuses what the set lacks', () => {
  const latin1 = openCharset('latin1')
  assert.equal(latin1?.write('\u00e9'), raw(0xe9))
  assert.equal(latin1?.write('\u20ac'), raw(0x80))
  assert.equal(latin1?.write('\u0430'), undefined)
  assert.equal(latin1?.write('ascii'), 'ascii')
  assert.equal(openCharset('shift_jis')?.write('\u30bd!'), raw(0x83, 0x5c, 0x21))
  assert.equal(openCharset('gbk')?.write('\u{1f600}'), undefined)
})

test('openCharset() knows sets of one or two bytes only', () => {
  for (const label of ['utf-8', 'utf-16le', 'gb18030', 'iso-2022-jp', 'nonsense', '']) assert.equal(openCharset(label), undefined, label)
})
