/**
 * Building an alias database from lines `name: value, value ...`.
 *
 * Source: postalias(1); aliases(5).
 */
import { externalTokens, internalTokens, isOperatorToken, scanTokens, type Token } from '#mail/address-tokens.ts'
import { log } from '#system/log.ts'
import { logicalLines, spaceWarning, startsWithSpace } from '#util/logical-lines.ts'
import { isValidUtf8Text } from '#commands/maps/utf8.ts'
import { asOwnerOf } from '#commands/maps/as-owner.ts'
import { MapEditor } from '#commands/maps/edit.ts'
import { readSource, sourceTraits, warnAboutOwner } from '#commands/maps/source.ts'
import { volatileTable, type EntryTaker } from '#commands/maps/volatile.ts'
import type { MapName, MapSettings } from '#commands/maps/settings.ts'

/** What a line says: an alias, or what is wrong with it. */
export type AliasLine = { readonly name: string; readonly value: string } | { readonly problem: string }

function hasOperator(tokens: readonly Token[], ...operators: string[]): boolean {
  return tokens.some((token) => operators.some((operator) => isOperatorToken(token, operator)))
}

/** Reads one logical line. The name loses its quotes, the value keeps its own. */
export function parseAliasLine(line: string): AliasLine {
  const tokens = scanTokens(line)
  const colon = tokens.findIndex((token) => isOperatorToken(token, ':'))
  const name = tokens.slice(0, Math.max(colon, 0))
  const value = tokens.slice(colon + 1)
  if (colon < 1 || value.length === 0 || hasOperator(name, ',')) return { problem: 'need name:value pair' }
  if (hasOperator(name, '@', '%')) return { problem: 'name must be local and have no domain' }
  return { name: internalTokens(name, 'spaced'), value: externalTokens(value, 'spaced') }
}

function addLines(editor: EntryTaker, text: string, file: string, settings: MapSettings): void {
  const utf8 = settings.config.bool('smtputf8_enable')
  for (const { text: line, first } of logicalLines(text)) {
    const where = `${file}, line ${first}`
    if (startsWithSpace(line)) {
      log.warning(spaceWarning(file, line))
    } else if (utf8 && !isValidUtf8Text(line)) {
      log.warning(`${where}: non-UTF-8 input "${line}" -- ignoring this line`)
    } else {
      const parsed = parseAliasLine(line)
      if ('problem' in parsed) log.warning(`${where}: ${parsed.problem}`)
      else editor.add(parsed.name, parsed.value)
    }
  }
}

/** Entries by which Sendmail and NIS recognize a finished database. */
function addSignatures(editor: EntryTaker, { config }: MapSettings, isUpdate: boolean): void {
  const duplicates = isUpdate ? 'replace' : undefined
  editor.add('@', '@', duplicates)
  editor.addExact('YP_LAST_MODIFIED', `${Math.floor(Date.now() / 1000)}`, duplicates)
  editor.addExact('YP_MASTER_NAME', config.str('myhostname'), duplicates)
}

/** Makes an alias database from its source file. @throws {CommandExit} */
export function buildAliases(name: MapName, settings: MapSettings): void {
  const { text, traits } = readSource(name, settings.program)
  warnAboutOwner(name, traits, settings)
  asOwnerOf(traits, settings, () => {
    const editor = new MapEditor(name, settings, false)
    addLines(editor, text, name.name, settings)
    addSignatures(editor, settings, false)
    editor.save(traits)
  })
}

/** Adds aliases from standard input. @throws {CommandExit} */
export function updateAliases(name: MapName, input: string, settings: MapSettings): void {
  const taker = volatileTable(name, settings.program)
  const editor = taker ?? new MapEditor(name, settings, true)
  addLines(editor, input, 'stdin', settings)
  addSignatures(editor, settings, true)
  if (editor instanceof MapEditor) editor.save(sourceTraits(name))
}
