/**
 * The environment of a process: only what the configuration lets in.
 *
 * Source: postconf(5) import_environment, export_environment.
 *
 * @module
 */
import { splitOutsideBraces, stripBraces } from '#util/split.ts'

/**
 * The variables that a list lets through.
 *
 * @param list Items between commas and white space: `NAME` copies it, `NAME=value` sets it, `{ NAME = value with blanks }` too.
 * @throws {Error} For an item that is neither.
 */
export function filterEnvironment(list: string, from: NodeJS.ProcessEnv): Record<string, string> {
  const environment: Record<string, string> = {}
  for (const item of splitOutsideBraces(list)) {
    const [name, value] = parseItem(item, from)
    if (value !== undefined) environment[name] = value
  }
  return environment
}

/** An assignment that is none, in the words of Postfix, which does not name the list. */
export class EnvironmentError extends Error {
  constructor(text: string) {
    super(`update_env: ${text}`)
  }
}

function parseItem(item: string, from: NodeJS.ProcessEnv): [name: string, value: string | undefined] {
  let text = item
  if (item.startsWith('{')) {
    const stripped = stripBraces(item)
    if (stripped.kind === 'error') throw new Error(stripped.reason)
    text = stripped.text
  }
  const at = text.indexOf('=')
  if (at < 0) return [text, from[text]]
  const name = text.slice(0, at).trim()
  if (name === '') throw new EnvironmentError(`missing attribute name in: ${text}`)
  if (/\s/.test(name)) throw new EnvironmentError(`missing '=' after attribute name in: ${text}`)
  return [name, item.startsWith('{') ? text.slice(at + 1).trim() : text.slice(at + 1)]
}
