/**
 * unix: the users and groups of this machine, as lines of passwd(5) and group(5).
 *
 * Source: DATABASE_README, unix.
 */
import { getgrnam, getpwnam } from '#system/users.ts'
import { ABSENT, found, TableOpenError, type Lookup, type OpenRequest, type Table } from './table.ts'

/** The password field is never shown, as on systems with shadow passwords. */
const HIDDEN = 'x'

function passwdLine(name: string): Lookup {
  const user = getpwnam(name)
  if (user === undefined) return ABSENT
  const { uid, gid, gecos, home, shell } = user
  return found([user.name, HIDDEN, uid, gid, gecos, home, shell].join(':'))
}

function groupLine(name: string): Lookup {
  const group = getgrnam(name)
  if (group === undefined) return ABSENT
  return found([group.name, HIDDEN, group.gid, group.members.join(',')].join(':'))
}

/**
 * Opens `unix:passwd.byname` or `unix:group.byname`.
 *
 * @throws {TableOpenError} Another name.
 */
export function openUnix({ name, spec, options }: OpenRequest): Table {
  const lookups: Readonly<Record<string, (key: string) => Lookup>> = {
    'passwd.byname': passwdLine,
    'group.byname': groupLine,
  }
  const lookup = Object.hasOwn(lookups, name) ? lookups[name] : undefined
  if (lookup === undefined) throw new TableOpenError(`unknown table: ${spec}`)
  const fold = options.fold ?? true
  return { name: spec, pattern: false, lookup: (key) => lookup(fold ? key.toLowerCase() : key), close() {} }
}
