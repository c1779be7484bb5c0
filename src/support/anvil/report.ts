/**
 * The lines in which anvil tells the extremes it has seen.
 *
 * @module
 */
import type { ClientCounts, ExtremeName } from './counts.ts'

const TITLES: readonly (readonly [ExtremeName, string])[] = [
  ['connect', 'connection rate'],
  ['count', 'connection count'],
  ['message', 'message rate'],
  ['recipient', 'recipient rate'],
  ['tls', 'newtls rate'],
  ['auth', 'auth rate'],
]

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** `statistics: max connection rate 3/60s for (smtp:192.0.2.1) at Nov 20 09:56:18`; none for what did not happen. */
export function reportLines(counts: ClientCounts, unitSeconds: number): string[] {
  const { extremes, largest } = counts.report()
  const lines = TITLES.flatMap(([name, title]) => {
    const extreme = extremes.get(name)
    if (extreme === undefined) return []
    const value = name === 'count' ? String(extreme.value) : `${extreme.value}/${unitSeconds}s`
    return [`statistics: max ${title} ${value} for (${extreme.client}) at ${stamp(extreme.at)}`]
  })
  return largest.size === 0 ? lines : [...lines, `statistics: max cache size ${largest.size} at ${stamp(largest.at)}`]
}

function two(n: number): string {
  return String(n).padStart(2, '0')
}

/** Local time, the day padded with a blank. */
function stamp(ms: number): string {
  const date = new Date(ms)
  const day = String(date.getDate()).padStart(2, ' ')
  return `${MONTHS[date.getMonth()]} ${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}
