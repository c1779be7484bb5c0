/**
 * Building a table from lines `key whitespace value`.
 *
 * Source: postmap(1), table format.
 */
import { encodeFileContent } from '#tables/file-content.ts'
import { logicalLines } from '#util/logical-lines.ts'
import { parseSourceLine, problemText } from '#tables/source-line.ts'
import { TableOpenError } from '#tables/table.ts'
import { log } from '#system/log.ts'
import { isValidUtf8Text } from '#commands/maps/utf8.ts'
import { asOwnerOf } from '#commands/maps/as-owner.ts'
import { MapEditor } from '#commands/maps/edit.ts'
import { isLive, putLive } from '#commands/maps/live.ts'
import { readSource, sourceTraits, warnAboutOwner } from '#commands/maps/source.ts'
import { volatileTable } from '#commands/maps/volatile.ts'
import type { MapName, MapSettings } from '#commands/maps/settings.ts'

/** The value to store, or `undefined`, with a warning, when the file that it names cannot be read. */
function storedValue(value: string, where: string, { fileContent }: MapSettings): string | undefined {
  if (!fileContent) return value
  try {
    return encodeFileContent(value)
  } catch (error) {
    if (!(error instanceof TableOpenError)) throw error
    log.warning(`${where}: ${error.message}: skipping this entry`)
    return undefined
  }
}

/** Adds the entries of `text`, the content of the file that messages call `file`. */
function addLines(editor: Pick<MapEditor, 'add'>, text: string, file: string, settings: MapSettings): void {
  const utf8 = settings.config.bool('smtputf8_enable')
  for (const { text: line, first } of logicalLines(text)) {
    const where = `${file}, line ${first}`
    if (utf8 && !isValidUtf8Text(line)) {
      log.warning(`${where}: non-UTF-8 input "${line}" -- ignoring this line`)
      continue
    }
    const parsed = parseSourceLine(line)
    if (parsed.kind === 'problem') {
      log.warning(problemText(file, first, line, parsed.problem))
      continue
    }
    if (parsed.looksLikeAlias) log.warning(`${where}: record is in "key: value" format; is this an alias file?`)
    const value = storedValue(parsed.value, where, settings)
    if (value !== undefined) editor.add(parsed.key, value)
  }
}

/** Makes the database of a table from its source file. @throws {CommandExit} */
export function buildMap(name: MapName, settings: MapSettings): void {
  const { text, traits } = readSource(name, settings.program)
  warnAboutOwner(name, traits, settings)
  asOwnerOf(traits, settings, () => {
    const editor = new MapEditor(name, settings, false)
    addLines(editor, text, name.name, settings)
    editor.save(traits)
  })
}

/** Adds entries from standard input. @throws {CommandExit} */
export async function updateMap(name: MapName, input: string, settings: MapSettings): Promise<void> {
  if (isLive(name)) {
    const entries: [string, string][] = []
    addLines({ add: (key, value) => { entries.push([key, value]) } }, input, 'stdin', settings)
    return putLive(name, entries, settings)
  }
  const taker = volatileTable(name, settings.program)
  if (taker !== undefined) return addLines(taker, input, 'stdin', settings)
  const editor = new MapEditor(name, settings, true)
  addLines(editor, input, 'stdin', settings)
  editor.save(sourceTraits(name))
  return undefined
}
