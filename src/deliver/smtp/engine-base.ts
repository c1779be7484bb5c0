/**
 * nodemailer's SMTPConnection with the internals that our engine calls or replaces.
 *
 * The package leaves them out of its types. They are listed here, and
 * test/unit/deliver/smtp/engine.test.ts fails when the package changes them.
 *
 * Source: nodemailer 10.6.0, lib/smtp-connection.
 */
import type { Socket } from 'node:net'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { SMTPConnectionAuth, SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection'

/** Internals of the package that are called or replaced here. */
export type EngineInternals = {
  _socket: Socket | false | null
  _responseActions: ((raw: string) => void)[]
  /** Whole replies, lines joined by `\n`, bytes as latin1. */
  _responseQueue: string[]
  _supportedAuth: string[]
  _destroyed: boolean
  options: SMTPConnectionOptions
  servername: string | false
  secure: boolean
  secureConnection: boolean
  _onConnect(): void
  _actionGreeting(raw: string): void
  _onError(error: Error): void
  _onTimeout(): void
  _processResponse(): void
  _sendCommand(text: string, shown?: string): void
  _upgradeConnection(callback: (error: Error | null) => void): void
  _clearPhase(): void
  _destroy(): void
}

/** The names of these internals, for the contract test. */
export const ENGINE_METHODS = [
  '_onConnect', '_actionGreeting', '_onError', '_onTimeout', '_processResponse', '_sendCommand', '_upgradeConnection', '_clearPhase',
  '_destroy',
] as const satisfies readonly (keyof EngineInternals)[]

/** The version of the package whose internals these are. */
export const ENGINE_VERSION = '10.6.0'

/** The package's class, with its internals. */
export type EngineBase = EngineInternals & {
  version: string
  connect(): void
  close(): void
  login(auth: SMTPConnectionAuth, done: (error: Error | null) => void): void
  on(event: 'error' | 'end', listener: () => void): unknown
}

// The package strips its internals from its types; this is the one place that puts them back.
// eslint-disable-next-line typescript/no-unsafe-type-assertion
export const ConnectionBase = SMTPConnection as unknown as new (options: SMTPConnectionOptions) => EngineBase
