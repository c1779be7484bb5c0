/** All cases, in the order of the table. */
import type { BenchCase } from '#test/bench/case.ts'
import { DEFERRED_CASES } from './deferred.ts'
import { DESTINATION_CASES } from './destinations.ts'
import { IDLE_CASES } from './idle.ts'
import { MAILBOX_CASES } from './mailboxes.ts'
import { RELAY_CASES, SIZE_CASES } from './relay.ts'
import { REST_CASES } from './rest.ts'
import { RESTRICTION_CASES } from './restrictions.ts'
import { SUBMISSION_CASES } from './submission.ts'

export const CASES: readonly BenchCase[] = [
  ...RELAY_CASES, ...MAILBOX_CASES, ...SUBMISSION_CASES, ...SIZE_CASES, ...DESTINATION_CASES, ...RESTRICTION_CASES, ...IDLE_CASES, ...DEFERRED_CASES,
  ...REST_CASES,
]
