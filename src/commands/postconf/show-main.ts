/**
 * Showing the parameters of main.cf.
 *
 * @module
 */
import { formatPair, type Style } from './layout.ts'
import type { NameClass } from './names.ts'
import type { Session } from './session.ts'

/** What to show. */
export type MainSelection = {
  /** Names, in the order to show them; none: all of the classes. */
  readonly names: readonly string[]
  /** Classes without names; none: all but parameters of ours that are not set. */
  readonly classes: ReadonlySet<NameClass>
  /** `-n`: only what main.cf sets. */
  readonly onlySet: boolean
  /** `-d`: the defaults. */
  readonly defaults: boolean
  /** `-x`: values expanded. */
  readonly expand: boolean
}

/**
 * The lines of the parameters selected.
 *
 * @param warn Gets a text for each name that is none.
 * @throws {ConfigError} A value that cannot be expanded.
 */
export function* showMain(
  session: Session, selection: MainSelection, style: Style, warn: (text: string) => void,
): Generator<string> {
  for (const name of selection.names.length > 0 ? selection.names : namesOf(session, selection.classes)) {
    if (!session.names.has(name)) {
      warn(`${name}: unknown parameter`)
      continue
    }
    const value = selectedValue(session, name, selection)
    if (value === undefined) continue
    yield formatPair(name, selection.expand ? session.expand(name, value) : value, style)
  }
}

function selectedValue(session: Session, name: string, { onlySet, defaults }: MainSelection): string | undefined {
  if (defaults) return session.initial(name)
  return onlySet ? session.main.get(name) : session.value(name)
}

function namesOf(session: Session, classes: ReadonlySet<NameClass>): string[] {
  if (classes.size === 0) return session.shownNames()
  const isWanted = (name: string) => session.names.get(name)?.classes.some((one) => classes.has(one)) === true
  return session.sortedNames().filter(isWanted)
}
