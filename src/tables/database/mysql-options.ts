/**
 * Option files of MySQL and MariaDB: groups of `name = value`, as the client library reads them.
 *
 * Source: MariaDB documentation, "Option Files"; mysql_table(5), option_file, option_group.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Options by name, with `-` between words. */
export type MysqlOptions = ReadonlyMap<string, string>

/** Files that are read where no other is named. */
const DEFAULT_FILES = ['/etc/my.cnf', '/etc/mysql/my.cnf']
/** Files that include files ...: no deeper than this. */
const DEPTH_MAX = 10

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', t: '\t', n: '\n', r: '\r', s: ' ' }

/** The text of a value: without quotes around it and a comment behind it, escapes resolved. */
function valueOf(text: string): string {
  const [, quoted] = /^(["'])(.*)\1\s*(?:#.*)?$/s.exec(text) === null ? [] : [0, text.trim().replace(/^(["'])(.*)\1.*$/s, '$2')]
  const plain = quoted ?? text.replace(/(?:^|\s)#.*$/s, '').trim()
  return plain.replaceAll(/\\([btnrs\\"'])/g, (_, c: string) => ESCAPES[c] ?? c)
}

/** What a file says: options of the groups that are asked for, and files to read at that place. */
export type OptionLine =
  | { readonly kind: 'option'; readonly group: string; readonly name: string; readonly value: string }
  | { readonly kind: 'include'; readonly path: string; readonly folder: boolean }

/** The lines of an option file that mean something, in order. */
export function* parseOptionFile(text: string): Generator<OptionLine> {
  let group = ''
  for (const line of text.split('\n').map((each) => each.trim())) {
    const [, directive, path] = /^!(include|includedir)\s+(.+)$/.exec(line) ?? []
    if (path !== undefined) yield { kind: 'include', path, folder: directive === 'includedir' }
    else if (/^\[.*\]/.test(line)) group = line.slice(1, line.indexOf(']')).trim()
    else if (/^[^#;=!]/.test(line)) {
      const [, name = '', value = ''] = /^([^=]*?)\s*(?:=\s*(.*))?$/s.exec(line) ?? []
      yield { kind: 'option', group, name: name.replaceAll('_', '-'), value: valueOf(value) }
    }
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // As the library does: a file that is not there has no options.
    return ''
  }
}

function filesOf(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith('.cnf')).toSorted().map((name) => join(folder, name))
  } catch {
    return []
  }
}

function readInto(options: Map<string, string>, path: string, group: string, depth: number): void {
  if (depth > DEPTH_MAX) return
  for (const line of parseOptionFile(readText(path))) {
    if (line.kind === 'option') {
      if (line.group === group) options.set(line.name, line.value)
      continue
    }
    for (const file of line.folder ? filesOf(line.path) : [line.path]) readInto(options, file, group, depth + 1)
  }
}

/**
 * The options of the groups `client` and `group`; the latter count more.
 *
 * @param file The only file to read; empty: the usual ones.
 */
export function readMysqlOptions(file: string, group: string): MysqlOptions {
  const options = new Map<string, string>()
  for (const name of new Set(['client', group])) {
    for (const path of file === '' ? DEFAULT_FILES : [file]) readInto(options, path, name, 0)
  }
  return options
}
