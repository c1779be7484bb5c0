/** Removing entries: `-d key` and `-d -`. */
import { existsSync } from 'node:fs'
import { log } from '#system/log.ts'
import { storeFormat } from '#tables/store/formats.ts'
import { MapEditor } from './edit.ts'
import { isLive, removeLive } from './live.ts'
import { die, type MapName, type MapSettings } from './settings.ts'

/** Removes `keys` from every table. Exit status 0 when one of them was there. @throws {CommandExit} */
export async function deleteKeys(names: readonly MapName[], keys: readonly string[], settings: MapSettings): Promise<number> {
  let found = false
  for (const name of names) found = (await deleteFrom(name, keys, settings)) || found
  return found ? 0 : 1
}

async function deleteFrom(name: MapName, keys: readonly string[], settings: MapSettings): Promise<boolean> {
  if (isLive(name)) return removeLive(name, keys, settings)
  // A table in the memory of this process, which has just begun.
  if (name.type === 'internal') return false
  if (name.type === 'debug') return deleteAndReport(name, keys, settings)
  const format = storeFormat(name.type)
  if (format !== undefined && name.type !== 'cdb' && !existsSync(name.name + format.suffixes[0])) return false
  const editor = new MapEditor(name, settings, true)
  const removed = keys.filter((key) => editor.remove(key))
  if (removed.length > 0) editor.save(undefined)
  else editor.close()
  return removed.length > 0
}

async function deleteAndReport({ name }: MapName, keys: readonly string[], settings: MapSettings): Promise<boolean> {
  const colon = name.indexOf(':')
  if (colon < 1) return die(settings.program, `open dictionary: expecting "type:name" form instead of "${name}"`)
  const inner = { type: name.slice(0, colon), name: name.slice(colon + 1), spec: name }
  let found = false
  for (const key of keys) {
    const removed = await deleteFrom(inner, [key], settings)
    log.info(`${name} delete: "${key}": ${removed ? 'success' : 'failed'}`)
    found ||= removed
  }
  return found
}
