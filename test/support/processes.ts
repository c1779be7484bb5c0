/** Processes of a mail system that a test starts, as /proc shows them. */
import { readdirSync, readFileSync } from 'node:fs'

export type Process = {
  readonly pid: number
  readonly parent: number
  readonly group: number
  readonly arguments: readonly string[]
}

function read(pid: number): Process | undefined {
  try {
    // pid (name) state ppid pgrp ...; the name may have blanks.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    if (state === 'Z') return undefined
    // Workers replace their arguments by a title with blanks.
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split(/[\0 ]+/).filter((word) => word !== '')
    return { pid, parent: Number(parent), group: Number(group), arguments: words }
  } catch {
    // Gone since the directory was read.
    return undefined
  }
}

function all(): Process[] {
  const names = readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  return names.flatMap((name) => read(Number(name)) ?? [])
}

/** Living processes of a group. */
export function processGroup(group: number): Process[] {
  return all().filter((each) => each.group === group)
}

/** Living workers of a master for the service of this name (`-n NAME` in their arguments). */
export function workersOf(master: number, service: string): Process[] {
  const isService = ({ arguments: words }: Process): boolean =>
    words.includes('-n') && words[words.indexOf('-n') + 1] === service
  return all().filter((each) => each.parent === master && isService(each))
}
