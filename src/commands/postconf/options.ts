/**
 * The options of postconf, and which of them may not meet.
 *
 * @module
 */
import { typedAs } from '#commands/called-as.ts'
import { fatal, parseOrUsage } from '#commands/getopt.ts'
import { splitNameValue } from '#config/main-cf.ts'
import { splitAtChars } from '#util/split.ts'
import type { NameClass } from './names.ts'

/** What a run does: show or edit one part of the configuration, or list what this build can do. */
export type Subject = 'a' | 'A' | 'b' | 'F' | 'l' | 'm' | 'M' | 'p' | 'P' | 't' | 'T'

/** How files are edited: set (`-e`), remove (`-X`) or comment out (`-#`). */
export type EditMode = 'e' | 'X' | '#'

/** A command line of postconf. */
export type PostconfOptions = {
  readonly subject: Subject
  readonly edit: EditMode | undefined
  /** Every letter given. */
  readonly letters: ReadonlySet<string>
  /** How often -P was given: twice shows what the service does not set, too. */
  readonly everyParameter: boolean
  readonly directory: string | undefined
  readonly classes: ReadonlySet<NameClass>
  /** The -o name=value. */
  readonly overrides: ReadonlyMap<string, string>
  readonly tlsTopics: readonly string[]
  readonly operands: readonly string[]
}

/** Name in messages. */
export const PROGRAM = typedAs('postconf')

const SPEC = 'aAbc:C:defFhHjlmMno:pPqtT:vxX#'

const USAGE = `usage: ${PROGRAM} [-a (server SASL types)] [-A (client SASL types)] [-b (bounce templates)] `
  + '[-c config_dir] [-c param_class] [-d (parameter defaults)] [-e (edit configuration)] [-f (fold lines)] '
  + '[-F (master.cf fields)] [-h (no names)] [-H (no values)] [-j (streaming JSON) ] [-l (lock types)] '
  + '[-m (map types)] [-M (master.cf)] [-n (non-default parameters)] [-o name=value (override parameter value)] '
  + '[-p (main.cf, default)] [-P (master.cf parameters)] [-t (bounce templates)] '
  + '[-T compile-version|run-version|public-key-algorithms] [-v (verbose)] [-x (expand parameter values)] '
  + '[-X (exclude)] [-# (comment-out)] [name...]'

/** Sets of options of which only one may be given, in the order in which postconf names them. */
const EXCLUSIVE: readonly string[] = [
  'aAbFlmMpPtT',
  'eX#', 'denX#', 'doeX#', 'fe', 'fX#', 'eHhX#', 'exX#',
]

/** Options that a subject has no use for. */
const USELESS: ReadonlyMap<Subject, string> = new Map([
  ['F', 'dnX#'], ['M', 'dhHn'], ['P', 'dn#'],
  ...(['a', 'A', 'b', 'l', 'm', 't', 'T'] as const).map((subject) => [subject, 'defhHjnoxX#'] as const),
])

const NAME_CLASSES: ReadonlyMap<string, readonly NameClass[]> = new Map([
  ['builtin', ['builtin']], ['service', ['service']], ['user', ['user']], ['extension', ['extension']],
  // Parameters that this version does not act on yet.
  ['pending', ['pending']],
  // A line about each parameter instead of its value.
  ['help', ['help']],
  ['all', ['builtin', 'service', 'user']],
])

/**
 * Reads the command line.
 *
 * @throws {CommandExit} An unknown option, options that may not meet, or a malformed value of one.
 */
export function readOptions(argv: readonly string[]): PostconfOptions {
  const { options, operands } = parseOrUsage(PROGRAM, SPEC, argv, { usage: USAGE, exitCode: 1 })
  const values = (wanted: string) => options.flatMap(([letter, value = '']) => (letter === wanted ? [value] : []))
  const letters = new Set(options.map(([letter]) => letter))
  if (operands[0]?.includes('=') === true && !isEditless(letters)) letters.add('e')
  if (values('T').length > 1) fatal(PROGRAM, 'At most one -T <mode> option may be specified')
  refuseConflicts(letters)
  const subject = SUBJECTS.find((letter) => letters.has(letter)) ?? 'p'
  refuseUseless(subject, letters)
  return {
    subject,
    edit: (['e', 'X', '#'] as const).find((letter) => letters.has(letter)),
    letters,
    everyParameter: values('P').length > 1,
    directory: values('c').at(-1),
    classes: new Set(values('C').flatMap(readClasses)),
    overrides: new Map(values('o').map(readOverride)),
    tlsTopics: values('T'),
    operands,
  }
}

const SUBJECTS = ['a', 'A', 'b', 'F', 'l', 'm', 'M', 'p', 'P', 't', 'T'] as const satisfies readonly Subject[]

/** Subjects whose operands are no edits. */
function isEditless(letters: ReadonlySet<string>): boolean {
  return ['a', 'A', 'b', 'l', 'm', 't', 'T'].some((letter) => letters.has(letter))
}

function refuseConflicts(letters: ReadonlySet<string>): void {
  if (letters.has('b') && letters.has('t')) fatal(PROGRAM, 'specify one of -b and -t')
  for (const set of EXCLUSIVE) {
    const given = Array.from(set).filter((letter) => letters.has(letter))
    if (given.length > 1) fatal(PROGRAM, `specify one of ${given.toSorted(byListing).map((c) => `-${c}`).join(', ')}`)
  }
  refuse('j', 'efhHX#', letters)
}

function refuseUseless(subject: Subject, letters: ReadonlySet<string>): void {
  refuse(subject, USELESS.get(subject) ?? '', letters)
}

function refuse(option: string, useless: string, letters: ReadonlySet<string>): void {
  if (!letters.has(option)) return
  const given = Array.from(useless).filter((letter) => letters.has(letter))
  if (given.length > 0) {
    fatal(PROGRAM, `with option -${option}, do not specify ${given.map((c) => `-${c}`).join(' ')}`)
  }
}

/** The order in which postconf lists options. */
const LISTING = 'aAbdefFhHjlmMnopPtTxX#'

function byListing(a: string, b: string): number {
  return LISTING.indexOf(a) - LISTING.indexOf(b)
}

function readClasses(text: string): readonly NameClass[] {
  return splitAtChars(text).flatMap((word) => {
    return NAME_CLASSES.get(word) ?? fatal(PROGRAM, `unknown -C option value "${word}" in "${text}"`)
  })
}

function readOverride(text: string): [string, string] {
  const pair = splitNameValue(text)
  if ('reason' in pair) fatal(PROGRAM, `invalid parameter override: ${text}: ${pair.reason}`)
  return [pair.name, pair.value]
}
