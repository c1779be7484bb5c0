/**
 * The one table of parameters: Postfix's, and Posthorn's own.
 *
 * @module
 */
import type { Parameter, ParameterKind } from '#config/parameter.ts'
import { DELIVERY_PARAMETERS } from './delivery.ts'
import { EXTENSION_PARAMETERS } from './extensions.ts'
import { GENERAL_PARAMETERS } from './general.ts'
import { LMTP_PARAMETERS } from './lmtp.ts'
import { MESSAGES_PARAMETERS } from './messages.ts'
import { POSTSCREEN_PARAMETERS } from './postscreen.ts'
import { SMTP_PARAMETERS } from './smtp.ts'
import { SMTPD_PARAMETERS } from './smtpd.ts'
import { SYSTEM_PARAMETERS } from './system.ts'
import { TLS_PARAMETERS } from './tls.ts'

/** Every parameter with a name of its own, by name. */
export const PARAMETERS = {
  ...GENERAL_PARAMETERS,
  ...MESSAGES_PARAMETERS,
  ...DELIVERY_PARAMETERS,
  ...SYSTEM_PARAMETERS,
  ...LMTP_PARAMETERS,
  ...POSTSCREEN_PARAMETERS,
  ...SMTP_PARAMETERS,
  ...SMTPD_PARAMETERS,
  ...TLS_PARAMETERS,
  ...EXTENSION_PARAMETERS,
} as const

/** The name of a parameter in the table: a wrong name does not compile. */
export type ParameterName = keyof typeof PARAMETERS

/** The names whose parameter is of kind `K`. */
export type NameOfKind<K extends ParameterKind> = {
  [N in ParameterName]: (typeof PARAMETERS)[N] extends Parameter<K> ? N : never
}[ParameterName]

/** Names of whole numbers. */
export type IntName = NameOfKind<'int'> | NameOfKind<'nint'> | NameOfKind<'long'>

/** Names of yes/no parameters. */
export type BoolName = NameOfKind<'bool'> | NameOfKind<'nbool'>

/** Names of times. */
export type TimeName = NameOfKind<'time'>

/** The parameter called `name`, if the table has it. */
export function findParameter(name: string): Parameter | undefined {
  return isParameterName(name) ? PARAMETERS[name] : undefined
}

/** Whether the table has a parameter called `name`. */
export function isParameterName(name: string): name is ParameterName {
  return Object.hasOwn(PARAMETERS, name)
}
