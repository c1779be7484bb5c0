/**
 * How postconf lays out what it shows: values on one line or folded, services in columns, JSON.
 *
 * @module
 */
import type { Service, ServiceArgument } from './service.ts'

/** What to print of a pair: both sides, the value alone (`-h`) or the name alone (`-H`); as text, folded or as JSON. */
export type Style = {
  readonly fold: boolean
  readonly json: boolean
  readonly hideName: boolean
  readonly hideValue: boolean
}

/** Lines are folded before they reach this width. */
const WIDTH = 80
const INDENT = '    '
const COLUMNS = [0, 11, 17, 25, 33, 41, 49, 57]

/** `name = value` with its newline, in the given style. White space in the value becomes single blanks. */
export function formatPair(name: string, value: string, style: Style): string {
  if (style.json) return formatJson(name, value)
  if (style.hideValue) return `${name}\n`
  const words = value.split(/[ \t\r\n\v\f]+/).filter((word) => word !== '')
  const head = style.hideName ? '' : `${name} =`
  return style.fold ? `${fold(head, words)}\n` : `${[head, ...words].join(' ').replace(/^ /, '')}\n`
}

/** One object per line, as `postconf -j` prints it. */
export function formatJson(name: string, value: string): string {
  return `{${JSON.stringify(name)}: ${JSON.stringify(value)}}\n`
}

/** A service in columns, with its newline. */
export function formatService(service: Service, style: Style): string {
  return `${formatCommand(columns(service.fields), service.args, style)}\n`
}

/** `head`, then the arguments; folded, each `-o` has a line of its own. */
export function formatCommand(head: string, args: readonly ServiceArgument[], style: Pick<Style, 'fold'>): string {
  if (!style.fold) return [head, ...args.map(formatArgument)].join(' ')
  const lines = [head]
  let breakNext = false
  for (const arg of args) {
    const text = formatArgument(arg)
    const current = lines.at(-1) ?? ''
    const isSetting = arg.kind === 'setting' || arg.kind === 'bad-setting'
    if (isSetting || breakNext || current.length + 1 + text.length >= WIDTH) lines.push(`${INDENT}${text}`)
    else lines[lines.length - 1] = `${current} ${text}`
    breakNext = isSetting
  }
  return lines.join('\n')
}

/** An argument with the braces that it needs. */
export function formatArgument(arg: ServiceArgument): string {
  switch (arg.kind) {
    case 'setting':
      return `-o ${braced(`${arg.name}=${arg.value}`)}`
    case 'bad-setting':
      return arg.text === undefined ? '-o' : `-o ${braced(arg.text)}`
    default:
      return braced(arg.text)
  }
}

function braced(text: string): string {
  return /[ \t\r\n]/.test(text) || text === '' ? `{${text}}` : text
}

function columns(fields: readonly string[]): string {
  let line = ''
  fields.forEach((field, i) => {
    if (i > 0) line = `${line} `.padEnd(COLUMNS[i] ?? 0)
    line += field
  })
  return line
}

function fold(head: string, words: readonly string[]): string {
  const lines = [head]
  for (const word of words) {
    const current = lines.at(-1) ?? ''
    if (current.length + word.length >= WIDTH) lines.push(`${INDENT}${word}`)
    else lines[lines.length - 1] = current === '' ? word : `${current} ${word}`
  }
  return lines.join('\n')
}
