/**
 * Long lines of foreign text, broken at blanks for people to read.
 *
 * @module
 */

/** How wide lines may be, in bytes. Lines after the first are indented, and count their indent. */
export type WrapWidth = { readonly width: number; readonly indent: number }

/**
 * Breaks a line at blanks and tabs; words stay whole, however long. Blanks within a line stay, those where it
 * breaks and at the end are dropped.
 */
export function wrapLine(text: string, { width, indent }: WrapWidth): string[] {
  if (Buffer.byteLength(text) <= width) return [withoutEnd(text)]
  const lines: string[] = []
  const space = ' '.repeat(indent)
  let start = 0
  let room = width
  for (let word = 0; ;) {
    const end = wordEnd(text, word)
    if (word > start && Buffer.byteLength(text.slice(start, end)) > room) {
      lines.push(withoutEnd(text.slice(start, word)))
      while (isBlank(text, word)) word++
      start = word
      room = width - indent
    }
    // A blank at the end counts as one before an empty word.
    const next = wordEnd(text, word)
    if (next >= text.length) break
    word = next + 1
  }
  lines.push(withoutEnd(text.slice(start)))
  return lines.map((line, i) => (i === 0 ? line : space + line))
}

function withoutEnd(line: string): string {
  return line.replace(/[ \t]+$/, '')
}

function isBlank(text: string, at: number): boolean {
  const c = text.charAt(at)
  return c === ' ' || c === '\t'
}

function wordEnd(text: string, from: number): number {
  let end = from
  while (end < text.length && !isBlank(text, end)) end++
  return end
}
