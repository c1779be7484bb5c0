/**
 * Dates as mail writes them.
 *
 * Source: RFC 5322 §3.3; ctime(3) for the `From ` line of mailboxes.
 */

const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'] as const
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const

/** A time zone at one moment: minutes east of UTC, and its short name. */
export type Zone = { readonly offsetMinutes: number; readonly name: string }

let lastName: { readonly key: string; readonly name: string } | undefined

/** The process's time zone (TZ) at `date`. */
export function localZone(date: Date): Zone {
  const offsetMinutes = -date.getTimezoneOffset()
  const key = `${offsetMinutes} ${Math.trunc(date.getTime() / 3_600_000)}`
  // The name costs far more than the rest of a date: it is kept for the hour.
  if (lastName?.key !== key) lastName = { key, name: shortName(date) }
  return { offsetMinutes, name: lastName.name }
}

function shortName(date: Date): string {
  const name = /\(([^)]*)\)/.exec(date.toString())?.[1] ?? ''
  if (name === 'Coordinated Universal Time' || name === '') return 'UTC'
  const parts = new Intl.DateTimeFormat('en-US', { timeZoneName: 'short' }).formatToParts(date)
  const short = parts.find((part) => part.type === 'timeZoneName')?.value ?? ''
  // Where English has no abbreviation (GMT+2), take the initials of the long name: CEST, as the C library has it.
  return /^[A-Z]{2,5}$/.test(short) ? short : name.split(/[\s-]+/).map((word) => word.charAt(0).toUpperCase()).join('')
}

const two = (n: number): string => String(n).padStart(2, '0')
const blankTwo = (n: number): string => String(n).padStart(2, ' ')

/** The clock face of `date` in `zone`: read it with the UTC getters. */
function faceOf(date: Date, zone: Zone): Date {
  return new Date(date.getTime() + zone.offsetMinutes * 60_000)
}

function clock(face: Date): string {
  return `${two(face.getUTCHours())}:${two(face.getUTCMinutes())}:${two(face.getUTCSeconds())}`
}

/** `Fri, 06 Nov 2026 09:56:18 +0000 (UTC)`: the day has two digits, as in Postfix 3.11; earlier ones padded with a blank. */
export function rfc5322Date(date: Date, zone: Zone = localZone(date)): string {
  const face = faceOf(date, zone)
  const east = Math.abs(zone.offsetMinutes)
  const offset = `${zone.offsetMinutes < 0 ? '-' : '+'}${two(Math.trunc(east / 60))}${two(east % 60)}`
  const day = `${DAYS[face.getUTCDay()]}, ${two(face.getUTCDate())} ${MONTHS[face.getUTCMonth()]}`
  return `${day} ${face.getUTCFullYear()} ${clock(face)} ${offset} (${zone.name})`
}

/** `Fri Nov  6 09:56:18 2026`: ctime(3) without its line end, in `zone`. */
export function ctime(date: Date, zone: Zone = localZone(date)): string {
  const face = faceOf(date, zone)
  const day = `${DAYS[face.getUTCDay()]} ${MONTHS[face.getUTCMonth()]} ${blankTwo(face.getUTCDate())}`
  return `${day} ${clock(face)} ${face.getUTCFullYear()}`
}
