/** All restrictions by name. */
import type { Restriction } from './restriction.ts'
import { CLIENT_RESTRICTIONS } from './restrict-client.ts'
import { GENERIC_RESTRICTIONS } from './restrict-generic.ts'
import { HELO_RESTRICTIONS } from './restrict-helo.ts'
import { RECIPIENT_RESTRICTIONS } from './restrict-recipient.ts'
import { SENDER_RESTRICTIONS } from './restrict-sender.ts'
import { TABLE_RESTRICTIONS } from './restrict-tables.ts'

/** Names are in lower case; lists may have them in any. */
export const RESTRICTIONS: ReadonlyMap<string, Restriction> = new Map(Object.entries({
  ...GENERIC_RESTRICTIONS,
  ...CLIENT_RESTRICTIONS,
  ...HELO_RESTRICTIONS,
  ...SENDER_RESTRICTIONS,
  ...RECIPIENT_RESTRICTIONS,
  ...TABLE_RESTRICTIONS,
}))
