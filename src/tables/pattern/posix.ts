/**
 * POSIX regular expressions, by regcomp(3) and regexec(3) of the C library, since
 * the leftmost-longest rule and the locale's classes have no equal in JavaScript.
 *
 * Structures are those of glibc on 64-bit Linux.
 *
 * Source: regexp_table(5); regex(3); regex(7).
 */
import { ffi } from '#system/ffi.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { cString, ExpressionError, fixedBuffer, NO_MATCH, type Match, type Matcher, type Subject } from './matcher.ts'

const REG_EXTENDED = 1
const REG_ICASE = 2
const REG_NEWLINE = 4
const REG_NOMATCH = 1

/** sizeof(regex_t) is 64; `re_nsub` is its seventh word. */
const REGEX_SIZE = 64
const RE_NSUB_OFFSET = 48

/** sizeof(regmatch_t): start and end, each an int. */
const REGMATCH_SIZE = 8
const ERROR_TEXT_SIZE = 256

const DEFINITIONS = {
  regcomp: { arguments: ['buffer', 'buffer', 'i32'], return: 'i32' },
  regexec: { arguments: ['buffer', 'buffer', 'u64', 'buffer', 'i32'], return: 'i32' },
  regerror: { arguments: ['i32', 'buffer', 'buffer', 'u64'], return: 'u64' },
  regfree: { arguments: ['buffer'], return: 'void' },
} as const

function loadLibrary() {
  return ffi().dlopen(null, DEFINITIONS).functions
}

let library: ReturnType<typeof loadLibrary> | undefined

/**
 * The functions of the C library.
 *
 * @throws {Error} This system has none that we can call.
 */
export function posixLibrary(): ReturnType<typeof loadLibrary> {
  library ??= loadLibrary()
  return library
}

function errorText(code: number, regex: Buffer): string {
  const text = fixedBuffer(ERROR_TEXT_SIZE)
  posixLibrary().regerror(code, regex, text, BigInt(ERROR_TEXT_SIZE))
  return text.toString('utf8', 0, text.indexOf(0))
}

class PosixMatcher implements Matcher {
  readonly groupCount: number
  readonly #regex: Buffer
  readonly #found: Buffer

  constructor(regex: Buffer) {
    this.#regex = regex
    this.groupCount = Number(regex.readBigUInt64LE(RE_NSUB_OFFSET))
    this.#found = fixedBuffer(REGMATCH_SIZE * (this.groupCount + 1))
  }

  match({ bytes }: Subject): Match {
    const count = BigInt(this.groupCount + 1)
    const code = posixLibrary().regexec(this.#regex, bytes, count, this.#found, 0)
    if (code === REG_NOMATCH) return NO_MATCH
    if (code !== 0) return { kind: 'error', reason: errorText(code, this.#regex) }
    return {
      kind: 'match',
      groups: (index) => {
        const start = this.#found.readInt32LE(index * REGMATCH_SIZE)
        return start < 0 ? '' : decodeRaw(bytes.subarray(start, this.#found.readInt32LE(index * REGMATCH_SIZE + 4)))
      },
    }
  }

  free(): void {
    posixLibrary().regfree(this.#regex)
  }
}

/**
 * Compiles a POSIX expression. Options: `i` without case, `m` lines apart, `x` extended.
 *
 * @throws {ExpressionError} With the message of regerror(3).
 */
export function compilePosix(expression: string, options: ReadonlySet<string>): Matcher {
  const regex = fixedBuffer(REGEX_SIZE)
  const flags =
    (options.has('x') ? REG_EXTENDED : 0) | (options.has('i') ? REG_ICASE : 0) | (options.has('m') ? REG_NEWLINE : 0)
  const code = posixLibrary().regcomp(regex, cString(expression), flags)
  if (code !== 0) throw new ExpressionError(errorText(code, regex))
  return new PosixMatcher(regex)
}
