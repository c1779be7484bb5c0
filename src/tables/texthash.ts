/**
 * texthash: an indexed table straight from its source, without postmap.
 *
 * Source: DATABASE_README, texthash; postmap(1), table format.
 */
import { log } from '#system/log.ts'
import { openFileTable, readTableFile } from './file-table.ts'
import { readFileContent } from './file-content.ts'
import { keyFolder } from './fold.ts'
import { decodeText } from './text.ts'
import { logicalLines } from './logical-lines.ts'
import { parseSourceLine, problemText } from './source-line.ts'
import { ABSENT, failed, found, TableOpenError, type Lookup, type OpenRequest, type Table } from './table.ts'

function readEntries(path: string, fold: (key: string) => string): Map<string, string> {
  const entries = new Map<string, string>()
  for (const { text, last } of logicalLines(decodeText(readTableFile(path, `open database ${path}`)))) {
    const line = parseSourceLine(text)
    if (line.kind === 'problem') {
      const ignoring = line.problem === 'format' ? ' -- ignoring this line' : ''
      log.warning(problemText(path, last, text, line.problem) + ignoring)
      continue
    }
    if (line.looksLikeAlias) {
      log.warning(`${path}, line ${last}: record is in "key: value" format; is this an alias file?`)
    }
    const key = fold(line.key)
    if (entries.has(key)) log.warning(`${path}, line ${last}: duplicate entry: "${key}"`)
    else entries.set(key, line.value)
  }
  return entries
}

/** The content of the file that `value` names: the answer of an `-F` table. */
function contentOf(value: string): Lookup {
  try {
    return found(readFileContent(value))
  } catch (error) {
    if (!(error instanceof TableOpenError)) throw error
    return failed(error.message)
  }
}

/**
 * Opens `texthash:path`.
 *
 * @throws {TableOpenError} The file cannot be read.
 */
export function openTexthash({ name, spec, options }: OpenRequest): Table {
  const fold = keyFolder(options)
  return openFileTable<Map<string, string>>(spec, name, {
    pattern: false,
    load: () => readEntries(name, fold),
    find(entries, key) {
      const value = entries.get(fold(key))
      if (value === undefined) return ABSENT
      return options.fileContent === true ? contentOf(value) : found(value)
    },
    entries: (entries) => entries,
  })
}
