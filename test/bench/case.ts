/** What a case of the benchmark is: what it measures of one server, in one go. */
import type { ServerKind } from './installation.ts'
import type { NativeTools } from './native.ts'
import type { BenchServer, ServerSetup } from './servers.ts'

/** A figure that a case prints. */
export type Figure = {
  readonly name: string
  readonly unit: string
  /** Which direction is the better one: the factor beside Postfix is turned so that more is better. */
  readonly better: 'more' | 'less'
  /** Says something about the run, not about the server: there is nothing to compare. */
  readonly plain?: true
}

/** Values by the name of their figure. */
export type Figures = Readonly<Record<string, number>>

/** What a case gets for one measurement. */
export type Context = {
  readonly kind: ServerKind
  readonly tools: NativeTools
  /** Messages, or what else the case counts in. */
  readonly amount: number
  readonly quick: boolean
  /** Starts the server of this measurement; the caller ends it. */
  readonly startServer: (setup: ServerSetup) => Promise<BenchServer>
  /** A configured server that does not run yet. */
  readonly newServer: (setup: ServerSetup) => BenchServer
  /** A line for people, beside the figures. */
  readonly note: (text: string) => void
}

export type BenchCase = {
  readonly name: string
  readonly title: string
  /** What the issue asks for, beside Postfix. */
  readonly target: string
  /** The first is the one that is compared. */
  readonly figures: readonly Figure[]
  /** Messages of one measurement, and of one of a smoke run. */
  readonly amount: number
  readonly quickAmount: number
  /** Repetitions where one takes very long. */
  readonly repeatMax?: number
  readonly needsTls?: boolean
  /** Measures one server, and throws when something was refused or lost. */
  readonly run: (context: Context) => Promise<Figures>
}
