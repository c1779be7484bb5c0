/**
 * Manual pages from the headers of programs: what a main.ts begins with, taken apart, and as a page for man(1).
 *
 * A header is `name: what it does.`, paragraphs (indented lines are command lines), then parts such as
 * `Privileges:    text`, whose further lines are indented.
 *
 * @module
 */

/** A header, taken apart. */
export type Manual = {
  readonly name: string
  readonly summary: string
  /** Command lines. */
  readonly synopsis: readonly string[]
  readonly description: readonly string[]
  /** Parts by their titles: `Talks to`, `Diagnostics` … */
  readonly parts: ReadonlyMap<string, string>
}

const PART = /^(Talks to|Reads, writes|Reads|Privileges|Diagnostics|Standards|Source): +(\S.*)$/

/** The header's lines, without the comment's own marks. */
function headerLines(source: string): string[] {
  const comment = /^\/\*\*([^]*?)\*\//.exec(source)?.[1] ?? ''
  const lines = comment.split('\n').map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
  return lines.filter((line) => !line.startsWith('@'))
}

/**
 * Takes a header apart.
 *
 * @param source The text of a main.ts.
 * @returns `undefined` when it does not begin with `name: summary`.
 */
export function parseManual(source: string): Manual | undefined {
  const lines = headerLines(source)
  const blocks: string[][] = [[]]
  const parts = new Map<string, string>()
  let title: string | undefined
  for (const line of lines) {
    const [, word, text = ''] = PART.exec(line) ?? []
    if (word !== undefined) title = word
    if (title !== undefined) parts.set(title, `${parts.get(title) ?? ''} ${word === undefined ? line.trim() : text}`.trim())
    else if (line === '') blocks.push([])
    else blocks.at(-1)?.push(line)
  }
  const filled = blocks.filter((block) => block.length > 0)
  const synopsis = filled.filter(([first = '']) => first.startsWith('    ')).flatMap((block) => block.map((line) => line.trim()))
  const [start = '', ...description] = filled.filter(([first = '']) => !first.startsWith('    ')).map((block) => block.join(' '))
  const [, name, summary = ''] = /^([a-z-]+): (.*)$/.exec(start) ?? []
  return name === undefined ? undefined : { name, summary, synopsis, description, parts }
}

/** Text as roff takes it: backslashes and leading dots mean something there. */
export function roff(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replaceAll(/^(?=[.'])/gm, '\\&').replaceAll('…', '...').replaceAll(/`([^`]*)`/g, '\\fB$1\\fR')
}

/** The first sentence, for the line that apropos shows; the rest belongs to the description. */
function splitSummary(summary: string): [first: string, rest: string] {
  const end = /[.;:] /.exec(summary)?.index ?? summary.length
  return [summary.slice(0, end).replace(/\.$/, ''), summary.slice(end + 2)]
}

/**
 * A page in man(7).
 *
 * @param section `1` for commands, `8` for daemons.
 * @param version Shown at its foot.
 */
export function manualPage(manual: Manual, section: string, version: string): string {
  const [first] = splitSummary(manual.summary)
  const lines = [
    `.TH ${manual.name.toUpperCase()} ${section} "" "Posthorn ${version}" "Posthorn manual"`,
    '.SH NAME', `${roff(manual.name)} \\- ${roff(first)}`,
  ]
  if (manual.synopsis.length > 0) lines.push('.SH SYNOPSIS', '.nf', ...manual.synopsis.map((line) => roff(line)), '.fi')
  lines.push('.SH DESCRIPTION', roff(manual.summary))
  for (const paragraph of manual.description) lines.push('.PP', roff(paragraph))
  for (const [title, text] of manual.parts) lines.push(`.SH ${title.toUpperCase()}`, roff(text))
  return `${lines.join('\n')}\n`
}
