/** All cases, in the order of the table. */
import type { BenchCase } from '#test/bench/case.ts'
import { RELAY_CASES } from './relay.ts'

export const CASES: readonly BenchCase[] = [...RELAY_CASES]
