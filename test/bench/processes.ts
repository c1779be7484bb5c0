/** What the processes of a server cost: processor time and memory of a process and all that it started, from /proc. */
import fs from 'node:fs'

const TICKS_PER_SECOND = 100

/** One process of a tree. */
export type TreeProcess = { readonly pid: number; readonly name: string; readonly cpuTicks: number }

/** A process and all its living descendants. */
export function processTree(root: number): TreeProcess[] {
  const children = new Map<number, TreeProcess[]>()
  let top: TreeProcess | undefined
  for (const entry of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue
    try {
      const stat = fs.readFileSync(`/proc/${entry}/stat`, 'latin1')
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      // User, system, and both of children that have ended: fields 14 to 17 of proc(5).
      const cpuTicks = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0)
      const found = { pid: Number(entry), name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')), cpuTicks }
      if (found.pid === root) top = found
      const parent = Number(fields[1])
      children.set(parent, [...(children.get(parent) ?? []), found])
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (pid: number): TreeProcess[] => (children.get(pid) ?? []).flatMap((child) => [child, ...below(child.pid)])
  return top ? [top, ...below(root)] : []
}

/** Processor time so far, in milliseconds; that of ended children counts once they were waited for. */
export function treeCpuMs(root: number): number {
  return (processTree(root).reduce((sum, { cpuTicks }) => sum + cpuTicks, 0) / TICKS_PER_SECOND) * 1000
}

/** A line of a /proc file such as `Pss:  123 kB`; 0 for a process that has ended. */
function kilobytes(pid: number, file: string, field: string): number {
  try {
    const line = fs.readFileSync(`/proc/${pid}/${file}`, 'utf8').split('\n').find((each) => each.startsWith(`${field}:`))
    return Number(line?.replaceAll(/\D/g, '') ?? 0)
  } catch {
    return 0
  }
}

/** Proportional share of memory of one process, in kB. */
export function processPssKb(pid: number): number {
  return kilobytes(pid, 'smaps_rollup', 'Pss')
}

/** Most memory that one process ever had resident, in kB. */
export function processPeakKb(pid: number): number {
  return kilobytes(pid, 'status', 'VmHWM')
}

/** Proportional share of memory of all processes, in kB. */
export function treePssKb(root: number): number {
  return processTree(root).reduce((sum, { pid }) => sum + processPssKb(pid), 0)
}

/** Looks at the memory of all processes now and then; `stop()` gives the most there was, in kB. */
export function watchPss(root: number, everyMs = 300): { stop(): number } {
  let most = treePssKb(root)
  const timer = setInterval(() => { most = Math.max(most, treePssKb(root)) }, everyMs)
  return {
    stop: () => {
      clearInterval(timer)
      return Math.max(most, treePssKb(root))
    },
  }
}

/** Processes of a tree whose command line has these words. */
export function processesNamed(root: number, word: string): number[] {
  const hasWord = ({ pid }: TreeProcess): boolean => {
    try {
      return fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').split(/[\0 ]+/).some((each) => each === word || each.endsWith(`/${word}`))
    } catch {
      return false
    }
  }
  return processTree(root).filter(hasWord).map(({ pid }) => pid)
}
