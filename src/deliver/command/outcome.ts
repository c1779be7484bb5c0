/**
 * What the end of a command means for a recipient: exit codes of sysexits.h, or a status code in its output.
 *
 * Source: pipe(8), local(8) "EXTERNAL COMMAND DELIVERY"; RFC 3463.
 *
 * @module
 */
import { parseStatus } from '#mail/status.ts'
import { printable } from '#util/printable.ts'

/** How a command ended; `output` is the start of what it wrote to stdout and stderr. */
export type CommandEnd = {
  readonly kind: 'exit' | 'signal' | 'timeout'
  /** Exit status, or number of the signal. */
  readonly code: number
  readonly output: string
}

/** What the end of a command means for the recipient. `status`: enhanced (RFC 3463); `diagnostic`: for the notice. */
export type CommandOutcome = {
  readonly kind: 'sent' | 'deferred' | 'bounced'
  readonly status: string
  readonly reason: string
  readonly diagnostic: string
}

/** sysexits.h: status code and words. */
const SYSEXITS: Readonly<Record<number, readonly [status: string, text: string]>> = {
  64: ['5.3.0', 'command line usage error'],
  65: ['5.6.0', 'data format error'],
  66: ['5.3.0', 'cannot open input'],
  67: ['5.1.1', 'user unknown'],
  68: ['5.1.2', 'host name unknown'],
  69: ['5.3.0', 'service unavailable'],
  70: ['5.3.0', 'internal software error'],
  71: ['4.3.0', 'system resource problem'],
  72: ['5.3.0', 'critical OS file missing'],
  73: ['5.2.0', "can't create user output file"],
  74: ['5.3.0', 'input/output error'],
  75: ['4.3.0', 'temporary failure'],
  76: ['5.5.0', 'remote error in protocol'],
  77: ['5.7.0', 'permission denied'],
  78: ['5.3.5', 'local configuration error'],
}

const INTERNAL_ERROR = 'internal software error'

/**
 * Judges how a command ended.
 *
 * @param command As it is shown in the reason.
 * @param success The reason when all went well.
 */
export function commandOutcome(end: CommandEnd, command: string, success: string): CommandOutcome {
  const output = shown(end.output)
  const told = output === '' ? '' : `. Command output: ${output}`
  const diagnostic = (text: string): string => (output === '' ? text : output)
  if (end.kind === 'timeout') {
    return fail('5.3.0', `Command time limit exceeded: "${command}"${told}`, diagnostic(INTERNAL_ERROR))
  }
  if (end.kind === 'signal') {
    return fail('4.3.0', `Command died with signal ${end.code}: "${command}"${told}`, diagnostic(INTERNAL_ERROR))
  }
  if (end.code === 0) return succeed(output, success)
  const own = parseStatus(output)
  if (own && /^[45]/.test(own.status)) return fail(own.status, own.rest, own.rest)
  const known = SYSEXITS[end.code]
  if (known) return fail(known[0], `${known[1]}${told}`, diagnostic(known[1]))
  const unknown = `unknown mail system error ${end.code}`
  return fail('5.3.0', `Command died with status ${end.code}: "${command}"${told}`, diagnostic(unknown))
}

function succeed(output: string, success: string): CommandOutcome {
  return { kind: 'sent', status: '2.0.0', reason: success, diagnostic: output }
}

function fail(status: string, reason: string, diagnostic: string): CommandOutcome {
  return { kind: status.startsWith('4') ? 'deferred' : 'bounced', status, reason, diagnostic }
}

/** One line, with nothing in it that is not to be seen. */
export function shown(output: string): string {
  return printable(output.replaceAll(/[\t-\r]/g, ' '), '_').replaceAll(NO_CHARACTER_REGEXP, '_')
}

/** Bytes that are no characters are halves of surrogate pairs here. */
const NO_CHARACTER_REGEXP = /[\ud800-\udfff]/gu

/** Characters that need a shell; a command without them is run directly. */
const SHELL_CHARACTERS = /[^a-zA-Z0-9 \t@%\-_=+:,./]/

/** Words that are the shell's own. */
const SHELL_WORDS = new Set([
  'case', 'cd', 'eval', 'exec', 'exit', 'export', 'for', 'if', 'set', 'trap', 'ulimit', 'umask', 'until', 'while',
  '.', ':',
])

/** The words to execute for a command line of an alias or a parameter. */
export function commandWords(command: string, shell: string): string[] {
  const words = command.trim().split(/[ \t]+/)
  const needsShell = SHELL_CHARACTERS.test(command) || SHELL_WORDS.has(words[0] ?? '')
  if (shell !== '') return [...shell.trim().split(/[ \t]+/), command]
  return needsShell ? ['/bin/sh', '-c', command] : words
}
