/**
 * The command line of sendmail, which is older than the habit of asking what options mean:
 * most are taken for the sake of programs that give them, and do nothing.
 *
 * Source: sendmail(1).
 *
 * @module
 */
import { processConsole } from '#commands/console.ts'
import { fatal, GetoptError, parseCommandLine, type CommandLine } from '#commands/getopt.ts'
import { parseNotify, parseRet } from '#mail/dsn-parameters.ts'
import { printable } from '#util/printable.ts'

/** What the command is to do. */
export type Mode = 'submit' | 'list' | 'flush' | 'daemon' | 'aliases' | 'dialog' | 'nothing'

/** A command line, understood. */
export type SendmailOptions = {
  mode: Mode
  /** `-f`: as typed. */
  sender: string | undefined
  fullName: string | undefined
  /** A line with a single dot ends the message. */
  dotEnds: boolean
  /** `-t` */
  fromHeaders: boolean
  /** `-bv` */
  verify: boolean
  /** How often `-v` was given. */
  verbose: number
  encoding: '7bit' | '8bit' | undefined
  context: 'local' | 'remote'
  notify: number
  returnFlags: number
  envelopeId: string | undefined
  /** Two characters; the empty text stands for the default ones. */
  verp: string | undefined
  site: string | undefined
  queueId: string | undefined
  /** `-oA` */
  aliasDatabase: string | undefined
  /** `-C`: a directory. */
  configDirectory: string | undefined
  /** `-L` */
  tag: string | undefined
  /** `-O name=value` */
  requests: string[]
  recipients: readonly string[]
}

/** How complaints are made. `fatal` ends the command. */
export type Complaints = { readonly warn: (text: string) => void; readonly fatal: (text: string) => never }

const SPEC = 'A:B:C:F:GIL:N:O:R:UV:X:b:ce:f:h:imno:p:r:q:tvx'
/** What stands for `-q` alone, which getopt cannot read. */
const FLUSH_VALUE = '\u0001'
const ENVELOPE_ID_LENGTH_MAX = 100
const MODES: Readonly<Record<string, Mode>> = {
  d: 'daemon', l: 'daemon', h: 'nothing', H: 'nothing', i: 'aliases', m: 'submit', p: 'list', s: 'dialog',
}
/** EX_TEMPFAIL: whatever goes wrong, the caller may try again. */
export const SENDMAIL_FAILED = 75

/** The mode that the name of the command stands for. */
function modeOfName(name: string): Mode {
  if (name === 'mailq') return 'list'
  if (name === 'newaliases') return 'aliases'
  return name === 'smtpd' ? 'daemon' : 'submit'
}

/**
 * Reads a command line.
 *
 * @param name The command's name as called, without directories.
 * @throws {CommandExit}
 */
export function readOptions(name: string, argv: readonly string[], complaints: Complaints): SendmailOptions {
  const reader = new OptionReader(modeOfName(name), complaints)
  const line = parse(name, regularArguments(argv, complaints))
  for (const [letter, value = ''] of line.options) reader.take(letter, value)
  reader.options.recipients = line.operands
  reader.check()
  return reader.options
}

function parse(name: string, argv: readonly string[]): CommandLine {
  try {
    return parseCommandLine(name, SPEC, argv)
  } catch (error) {
    if (!(error instanceof GetoptError)) throw error
    // Postfix reads the command line twice, and says so.
    processConsole.err(`${error.message}\n${error.message}`)
    return fatal(name, `usage: ${name} [options]`, SENDMAIL_FAILED)
  }
}

/** Whether the value of the last option in a word is the next word. */
function takesNextWord(word: string): boolean {
  for (let i = 1; i < word.length; i++) {
    const at = SPEC.indexOf(word.charAt(i))
    if (at >= 0 && SPEC.charAt(at + 1) === ':') return i + 1 === word.length
  }
  return false
}

/** Turns what getopt cannot read into something that it can: `-q` without a time, and the old `-V` for VERP. */
function regularArguments(argv: readonly string[], { warn }: Complaints): string[] {
  const words: string[] = []
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i] ?? ''
    if (!word.startsWith('-') || word === '-' || word === '--') return [...words, ...argv.slice(i)]
    const next = argv[i + 1]
    if (word === '-q') {
      words.push(`-q${FLUSH_VALUE}`)
      continue
    }
    if (word === '-V' && next?.length === 2) {
      warn('option -V is deprecated with Postfix 2.3; specify -XV instead')
      words.push('-XV')
      continue
    }
    if (/^-V..$/.test(word)) {
      warn(`option ${word} is deprecated with Postfix 2.3; specify -X${word.slice(1)} instead`)
      words.push(`-X${word.slice(1)}`)
      continue
    }
    words.push(word)
    if (takesNextWord(word) && next !== undefined) words.push(argv[++i] ?? '')
  }
  return words
}

class OptionReader {
  readonly options: SendmailOptions
  readonly #warn: (text: string) => void
  readonly #fatal: (text: string) => never
  /** `-q5m`: the queue manager has its own interval, and so nothing is done. */
  #interval = false

  constructor(mode: Mode, { warn, fatal: fail }: Complaints) {
    this.#warn = warn
    this.#fatal = fail
    this.options = {
      mode, sender: undefined, fullName: undefined, dotEnds: true, fromHeaders: false, verify: false, verbose: 0,
      encoding: undefined, context: 'local', notify: 0, returnFlags: 0, envelopeId: undefined, verp: undefined,
      site: undefined, queueId: undefined, aliasDatabase: undefined, configDirectory: undefined, tag: undefined,
      requests: [], recipients: [],
    }
  }

  take(letter: string, value: string): void {
    switch (letter) {
      case 'B': return this.#encoding(value)
      case 'C': return void (this.options.configDirectory = value.replace(/(?:^|\/)main\.cf$/, '') || '.')
      case 'F': return void (this.options.fullName = value)
      case 'G': return void (this.options.context = 'remote')
      case 'I': return void (this.options.mode = 'aliases')
      case 'L': return void (this.options.tag = value)
      case 'N': return this.#notify(value)
      case 'O': return void this.options.requests.push(value)
      case 'R': return this.#returnFlags(value)
      case 'V': return this.#envelopeId(value)
      case 'X': return this.#extension(value)
      case 'b': return this.#mode(value)
      case 'f':
      case 'r': return void (this.options.sender = value)
      case 'i': return void (this.options.dotEnds = false)
      case 'n': return this.#fatal('-n option not supported')
      case 'o': return this.#old(value)
      case 'q': return this.#queue(value)
      case 't': return void (this.options.fromHeaders = true)
      case 'v': return void this.options.verbose++
      default:
        // Accepted: programs give them, and they mean nothing here.
    }
  }

  /** What does not go together. */
  check(): void {
    if (this.#interval && this.options.mode !== 'daemon') this.options.mode = 'nothing'
    if (this.options.mode === 'nothing') return
    const { mode, site, queueId, fromHeaders, verify, notify, returnFlags, verbose } = this.options
    const submits = mode === 'submit'
    if (site !== undefined && !submits) this.#fatal('-qR can be used only in delivery mode')
    if (queueId !== undefined && !submits) this.#fatal('-qI can be used only in delivery mode')
    if (fromHeaders && !submits) this.#fatal('-t can be used only in delivery mode')
    if (!verify) return
    if (fromHeaders) this.#fatal('-t option cannot be used with -bv')
    if (notify !== 0) this.#fatal('-N option cannot be used with -bv')
    if (returnFlags !== 0) this.#fatal('-R option cannot be used with -bv')
    if (verbose === 1) this.#fatal('-v option cannot be used with -bv')
  }

  /** RFC 6152: what the body is made of. */
  #encoding(value: string): void {
    if (value === '8BITMIME') this.options.encoding = '8bit'
    else if (value === '7BIT') this.options.encoding = '7bit'
    else this.#fatal('-B option needs 8BITMIME or 7BIT')
  }

  #notify(value: string): void {
    for (const word of value.split(',')) {
      if (parseNotify(word) === undefined) this.#warn(`unknown DSN NOTIFY command value "${word}" in "${value}"`)
    }
    this.options.notify = parseNotify(value) ?? 0
    if (this.options.notify === 0) this.#warn(`bad -N option value: '${value}' -- ignored`)
  }

  #returnFlags(value: string): void {
    this.options.returnFlags = parseRet(value) ?? 0
    if (this.options.returnFlags === 0) this.#warn('bad -R option value -- ignored')
  }

  #envelopeId(value: string): void {
    if (value.length > ENVELOPE_ID_LENGTH_MAX) this.#warn('too long -V option value -- ignored')
    else if (printable(value) !== value) this.#warn('bad syntax in -V option value -- ignored')
    else this.options.envelopeId = value
  }

  #extension(value: string): void {
    if (!value.startsWith('V')) this.#fatal(`unsupported: -X${value.charAt(0)}`)
    this.options.verp = value.slice(1)
  }

  #mode(value: string): void {
    const letter = value.charAt(0)
    if (letter === 'v') {
      this.options.verify = true
      return
    }
    const mode = Object.hasOwn(MODES, letter) ? MODES[letter] : undefined
    if (mode === undefined) this.#fatal(`unsupported: -b${letter}`)
    if (mode === 'daemon' && this.options.mode === 'flush') this.#warn('ignoring -q option in daemon mode')
    this.options.mode = mode
  }

  #old(value: string): void {
    if (value.startsWith('A')) {
      if (value.length === 1) this.#fatal('-oA requires pathname')
      this.options.aliasDatabase = value.slice(1)
    }
    if (value.startsWith('i')) this.options.dotEnds = false
  }

  #queue(value: string): void {
    if (value === FLUSH_VALUE) {
      if (this.options.mode === 'daemon') this.#warn('ignoring -q option in daemon mode')
      else this.options.mode = 'flush'
    } else if (/^[0-9]/.test(value)) {
      this.#interval = true
    } else if (value.startsWith('R')) {
      if (value.length === 1) this.#fatal('specify: -qRsitename')
      this.options.site = value.slice(1)
    } else if (value.startsWith('I')) {
      if (value.length === 1) this.#fatal('specify: -qIqueueid')
      this.options.queueId = value.slice(1)
    } else {
      this.#fatal(`-q${value.charAt(0)} is not implemented`)
    }
  }
}
