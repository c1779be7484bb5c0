/** Removing entries: `-d key` and `-d -`. */
import { existsSync } from 'node:fs'
import { storeFormat } from '#tables/store/formats.ts'
import { MapEditor } from './edit.ts'
import { isLive, removeLive } from './live.ts'
import type { MapName, MapSettings } from './settings.ts'

/** Removes `keys` from every table. Exit status 0 when one of them was there. */
export async function deleteKeys(names: readonly MapName[], keys: readonly string[], settings: MapSettings): Promise<number> {
  let found = false
  for (const name of names) {
    if (isLive(name)) {
      found = (await removeLive(name, keys, settings)) || found
      continue
    }
    const format = storeFormat(name.type)
    if (format !== undefined && name.type !== 'cdb' && !existsSync(name.name + format.suffixes[0])) continue
    const editor = new MapEditor(name, settings, true)
    const removed = keys.filter((key) => editor.remove(key))
    if (removed.length > 0) editor.save(undefined)
    else editor.close()
    found ||= removed.length > 0
  }
  return found ? 0 : 1
}
