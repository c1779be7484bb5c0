/**
 * texthash: an indexed table straight from its source, without postmap.
 *
 * Source: DATABASE_README, texthash; postmap(1), table format.
 */
import { decodeRaw } from '#util/raw-text.ts'
import { log } from '#system/log.ts'
import { openFileTable, readTableFile } from './file-table.ts'
import { readFileContent } from './file-content.ts'
import { entryFolder, keyFolder } from './fold.ts'
import { logicalLines } from '#util/logical-lines.ts'
import { parseSourceLine, problemText } from './source-line.ts'
import { ABSENT, found, TableOpenError, type OpenRequest, type Table } from './table.ts'

/** The content of the files that `value` names; `undefined`, with a warning, when one cannot be read. */
function contentOf(value: string, where: string): string | undefined {
  try {
    return readFileContent(value)
  } catch (error) {
    if (!(error instanceof TableOpenError)) throw error
    log.warning(`${where}: ${error.message}: skipping this entry`)
    return undefined
  }
}

function readEntries(path: string, fold: (key: string) => string, fileContent: boolean): Map<string, string> {
  const entries = new Map<string, string>()
  for (const { text, first } of logicalLines(decodeRaw(readTableFile(path, `open database ${path}`)))) {
    const line = parseSourceLine(text)
    if (line.kind === 'problem') {
      const ignoring = line.problem === 'format' ? ' -- ignoring this line' : ''
      log.warning(problemText(path, first, text, line.problem) + ignoring)
      continue
    }
    if (line.looksLikeAlias) {
      log.warning(`${path}, line ${first}: record is in "key: value" format; is this an alias file?`)
    }
    const key = fold(line.key)
    if (entries.has(key)) {
      log.warning(`${path}, line ${first}: duplicate entry: "${key}"`)
      continue
    }
    const value = fileContent ? contentOf(line.value, `${path}, line ${first}`) : line.value
    if (value !== undefined) entries.set(key, value)
  }
  return entries
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
    load: () => readEntries(name, entryFolder(options), options.fileContent ?? false),
    find(entries, key) {
      const value = entries.get(fold(key))
      return value === undefined ? ABSENT : found(value)
    },
    entries: (entries) => entries,
  })
}
