/**
 * Perl-compatible expressions by libpcre2-8, with its just-in-time compiler where it has one.
 *
 * Source: pcre2api(3); pcre_table(5).
 */
import { ffi } from '#system/ffi.ts'
import { decodeRaw } from '#util/raw-text.ts'
import { cString, ExpressionError, fixedBuffer, NO_MATCH, type Compile, type Match, type Matcher, type Subject } from './matcher.ts'

const LIBRARIES = ['libpcre2-8.so.0', 'libpcre2-8.so']

/** PCRE2's bits for the option letters of pcre tables. `X` ("extra") has no effect since PCRE2. */
const OPTION_BITS: Readonly<Record<string, number>> = {
  A: 0x80000000,
  i: 0x00000008,
  E: 0x00000010,
  s: 0x00000020,
  m: 0x00000400,
  U: 0x00040000,
  x: 0x00000080,
  X: 0,
}
const PCRE2_UTF = 0x00080000
const PCRE2_JIT_COMPLETE = 1
const PCRE2_INFO_CAPTURECOUNT = 4
const PCRE2_ERROR_NOMATCH = -1
const ERROR_TEXT_SIZE = 256

const DEFINITIONS = {
  pcre2_compile_8: { arguments: ['buffer', 'u64', 'u32', 'buffer', 'buffer', 'pointer'], return: 'pointer' },
  pcre2_jit_compile_8: { arguments: ['pointer', 'u32'], return: 'i32' },
  pcre2_pattern_info_8: { arguments: ['pointer', 'u32', 'buffer'], return: 'i32' },
  pcre2_match_data_create_from_pattern_8: { arguments: ['pointer', 'pointer'], return: 'pointer' },
  pcre2_match_8: { arguments: ['pointer', 'buffer', 'u64', 'u64', 'u32', 'pointer', 'pointer'], return: 'i32' },
  pcre2_get_ovector_pointer_8: { arguments: ['pointer'], return: 'pointer' },
  pcre2_get_error_message_8: { arguments: ['i32', 'buffer', 'u64'], return: 'i32' },
  pcre2_match_data_free_8: { arguments: ['pointer'], return: 'void' },
  pcre2_code_free_8: { arguments: ['pointer'], return: 'void' },
} as const

function loadLibrary() {
  for (const path of LIBRARIES) {
    try {
      return ffi().dlopen(path, DEFINITIONS).functions
    } catch {
      continue
    }
  }
  return undefined
}

type Library = NonNullable<ReturnType<typeof loadLibrary>>

let library: Library | undefined
let tried = false

function errorText(lib: Library, code: number): string {
  const text = fixedBuffer(ERROR_TEXT_SIZE)
  lib.pcre2_get_error_message_8(code, text, BigInt(ERROR_TEXT_SIZE))
  return text.toString('utf8', 0, text.indexOf(0))
}

class NativeMatcher implements Matcher {
  readonly groupCount: number
  readonly #lib: Library
  readonly #code: bigint
  readonly #data: bigint
  readonly #offsets: bigint

  constructor(lib: Library, code: bigint) {
    const count = fixedBuffer(4)
    lib.pcre2_pattern_info_8(code, PCRE2_INFO_CAPTURECOUNT, count)
    this.groupCount = count.readUInt32LE()
    this.#lib = lib
    this.#code = code
    this.#data = lib.pcre2_match_data_create_from_pattern_8(code, null)
    this.#offsets = lib.pcre2_get_ovector_pointer_8(this.#data)
  }

  match({ bytes, length }: Subject): Match {
    const code = this.#lib.pcre2_match_8(this.#code, bytes, BigInt(length), 0n, 0, this.#data, null)
    if (code === PCRE2_ERROR_NOMATCH) return NO_MATCH
    if (code < 0) return { kind: 'error', reason: errorText(this.#lib, code) }
    return {
      kind: 'match',
      groups: (index) => {
        const start = ffi().getUint64(this.#offsets, 16 * index)
        // PCRE2_UNSET: the group took no part.
        if (start > BigInt(length)) return ''
        return decodeRaw(bytes.subarray(Number(start), Number(ffi().getUint64(this.#offsets, 16 * index + 8))))
      },
    }
  }

  free(): void {
    this.#lib.pcre2_match_data_free_8(this.#data)
    this.#lib.pcre2_code_free_8(this.#code)
  }
}

function compileWith(lib: Library, utf8: boolean, expression: string, options: ReadonlySet<string>): Matcher {
  const bytes = cString(expression)
  const errorCode = fixedBuffer(4)
  const errorOffset = fixedBuffer(8)
  let flags = utf8 ? PCRE2_UTF : 0
  for (const option of options) flags = (flags | (OPTION_BITS[option] ?? 0)) >>> 0
  const code = lib.pcre2_compile_8(bytes, BigInt(bytes.length - 1), flags, errorCode, errorOffset, null)
  if (code === 0n) {
    const text = errorText(lib, errorCode.readInt32LE())
    throw new ExpressionError(`error in regex at offset ${errorOffset.readBigUInt64LE()}: ${text}`)
  }
  // A refusal (no JIT here) leaves the interpreter: slower, with the same results.
  lib.pcre2_jit_compile_8(code, PCRE2_JIT_COMPLETE)
  return new NativeMatcher(lib, code)
}

/**
 * A compiler by libpcre2, or `undefined` where that library cannot be loaded.
 *
 * @param utf8 Expressions and keys are UTF-8 (smtputf8_enable), not bytes.
 */
export function nativePcre(utf8: boolean): Compile | undefined {
  if (!tried) {
    tried = true
    try {
      library = loadLibrary()
    } catch {
      library = undefined
    }
  }
  const lib = library
  if (lib === undefined) return undefined
  return (expression, options) => compileWith(lib, utf8, expression, options)
}
