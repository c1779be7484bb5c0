/** Faults that a test switches on in the workers of a mail system; fault-switch.ts is their end of it. */
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileSystem } from '#system/files.ts'
import type { MailSystem } from './system.ts'

/** Programs with a switch, by their command word. */
export type FaultyProgram = 'smtpd' | 'qmgr' | 'smtp' | 'virtual' | 'bounce'

export type Fault =
  /** This call on queue files fails, as long as the fault is switched on. */
  | { readonly kind: 'files'; readonly call: keyof FileSystem; readonly code: string }
  /** The time of day is wrong. The minute of the auditor lasts part of a second for all of these programs. */
  | { readonly kind: 'clock'; readonly offsetMs: number }
  /** One process throws out of a timer: a bug. */
  | { readonly kind: 'throw' }
  /** One process takes more memory than it may. */
  | { readonly kind: 'memory' }

/** `SystemOptions.programs` of a system whose workers have the switch. */
export const FAULTY_PROGRAMS = join(import.meta.dirname, '../fixtures/faults')

const KINDS: readonly unknown[] = ['files', 'clock', 'throw', 'memory']

export function isFault(value: unknown): value is Fault {
  return typeof value === 'object' && value !== null && 'kind' in value && KINDS.includes(value.kind)
}

function path(system: MailSystem, program: FaultyProgram): string {
  return join(system.home, 'data', `fault.${program}`)
}

/** Switches a fault on; that of the program before is replaced. */
export function switchOn(system: MailSystem, program: FaultyProgram, fault: Fault): void {
  const file = path(system, program)
  writeFileSync(`${file}.new`, JSON.stringify(fault))
  renameSync(`${file}.new`, file)
}

export function switchOff(system: MailSystem, program: FaultyProgram): void {
  rmSync(path(system, program), { force: true })
}
