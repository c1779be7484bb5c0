/**
 * `-i` on tables that keep nothing: those that refuse every entry, and those that forget it with this process.
 *
 * Source: what Postfix 3.11's postmap says; DATABASE_README.
 */
import type { MapEditor } from './edit.ts'
import { die, type MapName } from './settings.ts'

/** Where entries go. */
export type EntryTaker = Pick<MapEditor, 'add' | 'addExact'>

/** Types whose content ends with the process: the table in memory, and the environment. */
const FORGETFUL: ReadonlySet<string> = new Set(['internal', 'environ'])

/** What takes the entries for a table of no file and no server; `undefined` for the others. Adding may throw `CommandExit`. */
export function volatileTable({ type, spec }: MapName, program: string): EntryTaker | undefined {
  if (FORGETFUL.has(type)) return takerOf(() => undefined)
  if (type === 'static') return takerOf(() => die(program, `table ${spec}: update operation is not supported`))
  if (type === 'fail') return takerOf(() => die(program, `table ${spec}: write error: Application error`))
  return undefined
}

function takerOf(take: () => void): EntryTaker {
  return { add: take, addExact: take }
}
