/**
 * Editing main.cf: set (-e), remove (-X) and comment out (-#) parameters. Comments and layout stay.
 *
 * @module
 */
import { fatal } from '#commands/getopt.ts'
import { splitNameValue } from '#config/main-cf.ts'
import { editFile, toFileText, type EditedLine } from './edit-file.ts'
import { PROGRAM, type EditMode } from './options.ts'
import { byBytes } from './session.ts'

/**
 * Carries out the edits.
 *
 * @param operands `name=value` to set, or names.
 * @param warn Gets texts of warnings.
 * @throws {CommandExit} A malformed operand.
 * @throws {ConfigError} The file cannot be edited.
 */
export function editMain(
  file: string, mode: EditMode, operands: readonly string[], warn: (text: string) => void,
): void {
  const requests = mode === 'e' ? readSettings(operands, warn) : readNames(operands)
  editFile(file, (lines) => {
    const { kept, counts } = replaceEntries(lines, mode, requests)
    for (const [name, count] of counts) {
      if (count > 1) warn(`${file}: multiple entries for "${name}"`)
    }
    if (mode !== 'e') return kept
    const added = [...requests].filter(([name]) => !counts.has(name)).toSorted(([a], [b]) => byBytes(a, b))
    return [...kept, ...added.map(([name, value]) => `${name} = ${value}`)]
  })
}

/** Refuses operands that would make more than one line, or a comment. */
export function checkOperand(text: string): string {
  const trimmed = text.trimStart()
  if (/[\r\n]/.test(text)) fatal(PROGRAM, '-e, -X, or -# accepts no multi-line input')
  if (trimmed.startsWith('#')) fatal(PROGRAM, '-e, -X, or -# accepts no comment input')
  return text
}

function readSettings(operands: readonly string[], warn: (text: string) => void): Map<string, string> {
  const requests = new Map<string, string>()
  for (const operand of operands) {
    const pair = splitNameValue(checkOperand(operand))
    if ('reason' in pair) fatal(PROGRAM, `${pair.reason}: "${operand}"`)
    const earlier = requests.get(pair.name)
    if (earlier !== undefined) warn(`ignoring earlier request: '${pair.name} = ${earlier}'`)
    requests.set(toFileText(pair.name), toFileText(pair.value))
  }
  return requests
}

function readNames(operands: readonly string[]): Map<string, string> {
  return new Map(operands.map((operand) => {
    const name = checkOperand(operand).trim()
    if (name === '') fatal(PROGRAM, '-X or -# requires non-blank parameter names')
    if (name.includes('=')) fatal(PROGRAM, '-X or -# requires parameter names without value')
    return [toFileText(name), '']
  }))
}

/** The lines with each entry of a requested name replaced, and how often each name occurred. */
function replaceEntries(
  lines: readonly EditedLine[], mode: EditMode, requests: ReadonlyMap<string, string>,
): { kept: string[]; counts: Map<string, number> } {
  const kept: string[] = []
  const counts = new Map<string, number>()
  let inRequested = false
  for (const { text, kind } of lines) {
    if (kind === 'start') {
      const name = /^[^\s=]*/.exec(text)?.[0] ?? ''
      const value = requests.get(name)
      inRequested = value !== undefined
      if (inRequested) counts.set(name, (counts.get(name) ?? 0) + 1)
      if (inRequested && mode === 'e') kept.push(`${name} = ${value}`)
    }
    if (kind === 'other' || !inRequested) kept.push(text)
    else if (mode === '#') kept.push(`#${text}`)
  }
  return { kept, counts }
}
