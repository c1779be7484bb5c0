/** Medians, spreads and factors, as lines for people. */
import type { BenchCase, Figure, Figures } from './case.ts'
import type { ServerKind } from './installation.ts'

/** One measurement of one server. */
export type Sample = { readonly server: ServerKind; readonly figures: Figures }

/** The value in the middle; of an even number the upper one. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

/** Three digits that count, no more. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return '-'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return value.toPrecision(3).replace(/\.?0+$/, '')
}

function valuesOf(samples: readonly Sample[], server: ServerKind, name: string): number[] {
  return samples.filter((sample) => sample.server === server).flatMap(({ figures }) => figures[name] ?? [])
}

/** How many times better than `base`: above 1 is better, whatever the direction. */
export function factor(figure: Figure, value: number, base: number): number {
  return figure.better === 'more' ? value / base : base / value
}

/** A table of one case: a line for each figure and server, with the factor beside Postfix. */
export function describe(bench: BenchCase, samples: readonly Sample[], servers: readonly ServerKind[]): string {
  const lines = [`${bench.name}: ${bench.title}`, `  target: ${bench.target}`]
  for (const figure of bench.figures) {
    const base = median(valuesOf(samples, 'postfix', figure.name))
    for (const server of servers) {
      const values = valuesOf(samples, server, figure.name)
      if (values.length === 0) continue
      const mid = median(values)
      const spread = values.length > 1 ? ` (${short(Math.min(...values))} to ${short(Math.max(...values))})` : ''
      const times = figure.plain !== true && Number.isFinite(base) && base > 0 && server !== 'postfix' ? `  ${short(factor(figure, mid, base))} × postfix` : ''
      lines.push(`  ${figure.name.padEnd(34)} ${server.padEnd(14)} ${short(mid).padStart(9)} ${figure.unit}${spread}${times}`)
    }
  }
  return `${lines.join('\n')}\n`
}
