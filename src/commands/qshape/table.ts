/**
 * The table of qshape: messages by domain and age.
 *
 * @module
 */

import { asciiLower } from '#util/ascii.ts'

/** How ages are put into columns, and names into lines. */
export type TableOptions = {
  /** Number of columns; the last one has no limit. */
  readonly buckets: number
  /** Width of the first column, in minutes; each further one is as wide as all before it, or as the first. */
  readonly minutes: number
  readonly linear: boolean
  readonly width: number
  /** Lines for parent domains that have at least `parentsMin` sub-domains. */
  readonly parents: boolean
  readonly parentsMin: number
}

/** Narrowest column of names. */
const NAME_WIDTH_MIN = 18
const COUNT_WIDTH_MIN = 3
const TOTAL = 'TOTAL'
const NULL_SENDER = 'MAILER-DAEMON'

/** Counts addresses by domain. */
export class ShapeTable {
  readonly #options: TableOptions
  readonly #now: number
  /** Counts by age; the first one is the sum. */
  readonly #counts = new Map<string, number[]>()
  readonly #subdomains = new Map<string, number>()

  /** @param now Seconds. */
  constructor(options: TableOptions, now: number) {
    this.#options = options
    this.#now = now
  }

  /** Counts the addresses of one message. */
  add(time: number, addresses: readonly string[]): void {
    const bucket = this.#bucket(time)
    for (const address of addresses) {
      this.#count(TOTAL, bucket)
      this.#countDomain(domainOf(address), bucket)
    }
  }

  #bucket(time: number): number {
    const { minutes, linear, buckets } = this.#options
    const age = (this.#now - time) / (60 * minutes)
    if (age < 1) return 1
    return Math.min(linear ? Math.trunc(age + 1) : 2 + Math.trunc(Math.log(age) / Math.log(2)), buckets)
  }

  /** @returns Whether this name was not there before. */
  #count(name: string, bucket: number): boolean {
    const known = this.#counts.get(name)
    const counts = known ?? Array.from({ length: this.#options.buckets + 1 }, () => 0)
    counts[0] = (counts[0] ?? 0) + 1
    counts[bucket] = (counts[bucket] ?? 0) + 1
    if (!known) this.#counts.set(name, counts)
    return !known
  }

  #countDomain(domain: string, bucket: number): void {
    let isNew = this.#count(domain, bucket)
    if (!this.#options.parents) return
    for (let parent = parentOf(domain); parent !== undefined; parent = parentOf(parent)) {
      const first = this.#count(parent, bucket)
      if (isNew) this.#subdomains.set(parent, (this.#subdomains.get(parent) ?? 0) + 1)
      isNew = first
    }
  }

  /** The lines, heading first, the largest domains before the others. */
  lines(): string[] {
    const total = this.#counts.get(TOTAL) ?? Array.from({ length: this.#options.buckets + 1 }, () => 0)
    this.#counts.set(TOTAL, total)
    const titles = this.#titles()
    const widths = titles.map((title, i) => columnWidth(title, total[i] ?? 0))
    const nameWidth = Math.max(this.#options.width - widths.reduce((sum, width) => sum + width, 0), NAME_WIDTH_MIN)
    const line = (name: string, cells: readonly (string | number)[]): string => {
      return fitName(name, nameWidth) + cells.map((cell, i) => String(cell).padStart(widths[i] ?? 0)).join('')
    }
    return [line('', titles), ...this.#sorted().map(([name, counts]) => line(name, counts))]
  }

  #titles(): string[] {
    const { buckets, minutes, linear } = this.#options
    const titles = ['T']
    let limit = minutes
    for (let i = 1; i < buckets; i++) {
      titles.push(String(limit))
      if (i < buckets - 1) limit = linear ? limit + minutes : limit * 2
    }
    titles.push(`${buckets === 1 ? 0 : limit}+`)
    return titles
  }

  #sorted(): [string, number[]][] {
    const shown = [...this.#counts].filter(([name]) => {
      return !name.startsWith('.') || (this.#subdomains.get(name) ?? 0) >= this.#options.parentsMin
    })
    return shown.toSorted(([a, x], [b, y]) => (y[0] ?? 0) - (x[0] ?? 0) || a.length - b.length)
  }
}

/** The domain of an address, in lower case; an address without one is its own. */
function domainOf(address: string): string {
  const lower = asciiLower(address)
  if (lower === '') return NULL_SENDER
  const domain = lower.slice(lower.lastIndexOf('@') + 1).replace('..', '.')
  return domain.replace(/^\.?(.+?)\.?$/, '$1')
}

/** `.example.com` for a name below it; a top-level domain is nobody's parent here. */
function parentOf(domain: string): string | undefined {
  const rest = /^\.?[^.]+\.(.*\..*)$/.exec(domain)?.[1]
  return rest === undefined ? undefined : `.${rest}`
}

function columnWidth(title: string, count: number): number {
  const length = Math.max(title.length, String(count).length)
  return length > 2 ? length + 1 : COUNT_WIDTH_MIN
}

/** The end of a name that is too long, marked as such. */
function fitName(name: string, width: number): string {
  if (name.length <= width) return name.padStart(width)
  const mark = name.startsWith('.') ? '.+' : '+'
  return mark + name.slice(name.length - width + mark.length)
}
