/**
 * What is wrong with a configuration. The message is what Postfix logs after `fatal: `.
 *
 * @module
 */

/** A configuration that cannot be used: unreadable file, syntax, value out of bounds. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  /** Lines that Postfix logs as warnings before the fatal one. */
  readonly warnings: readonly string[]

  constructor(message: string, warnings: readonly string[] = []) {
    super(message)
    this.warnings = warnings
  }
}
