/** No parameter is ignored in silence: each is used by the sources, or listed as pending, or mere information. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { HELPED_NAMES, parameterHelp } from '#config/parameters/help/help.ts'
import { INFORMATION, isPending } from '#config/parameters/pending.ts'
import { isParameterName, PARAMETERS } from '#config/parameters/table.ts'

/** Names that the sources put together: prefix or suffix of a family, and the words they contain. */
const COMPOSED: readonly RegExp[] = [
  /^smtpd_(?:client|data|helo|sender)_restrictions$/, /^unverified_(?:sender|recipient)_/, /^(?:local)_destination_/, /^lmtp_|^smtp_/,
]

/** Files that name parameters without acting on them: the table, the check of values at start, and postconf. */
const NAMING_REGEXP = /^src\/(?:config\/(?:parameters\/|basics\.ts)|commands\/postconf\/)/

function wordsOfSources(): Set<string> {
  const words = new Set<string>()
  for (const file of globSync('src/**/*.ts').filter((path) => !NAMING_REGEXP.test(path))) {
    const code = readFileSync(file, 'utf8').replaceAll(/\/\*[^]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
    for (const [word] of code.matchAll(/\w+/g)) words.add(word)
  }
  return words
}

/** A family's name counts as used when its second half stands in the sources. */
function isUsed(name: string, words: ReadonlySet<string>): boolean {
  if (words.has(name)) return true
  if (!COMPOSED.some((pattern) => pattern.test(name))) return false
  return !/^(?:smtp|lmtp)_/.test(name) || words.has(name.replace(/^[sl]mtp_/, '')) || words.has(name.replace(/^lmtp_/, 'smtp_')) || words.has(name.slice(4))
}

test('every parameter is used, pending or information, and only one of these', () => {
  const words = wordsOfSources()
  const silent = Object.keys(PARAMETERS).filter((name) => !isUsed(name, words) && !isPending(name) && !INFORMATION.has(name))
  assert.deepEqual(silent, [], 'read nowhere: use them, or list them in src/config/parameters/pending.ts')
})

const HELP_MAX = 120

test('every parameter has one line of help, a sentence of its own, and no other name has', () => {
  const texts = Object.keys(PARAMETERS).filter(isParameterName).map((name) => [name, parameterHelp(name) ?? ''] as const)
  assert.deepEqual(texts.filter(([, text]) => !/^[A-Z"].*\.$/.test(text) || text.length > HELP_MAX), [])
  assert.deepEqual(HELPED_NAMES.filter((name) => !isParameterName(name)), [])
})
