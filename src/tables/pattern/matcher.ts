/** What regexp and pcre tables ask of a compiled expression, whatever engine runs it. */
import { encodeRaw } from '#util/raw-text.ts'

/** A key, encoded once for all rules of a table. */
export type Subject = {
  readonly text: string
  /** UTF-8, with a NUL behind. */
  readonly bytes: Buffer
  /** Of `bytes`, without the NUL. */
  readonly length: number
}

/** The text of group `index`, 0 for all of the match; empty when the group took no part. */
export type Groups = (index: number) => string

/** The result of a match; `error` tells that the engine gave up (limits). */
export type Match =
  | { readonly kind: 'match'; readonly groups: Groups }
  | { readonly kind: 'none' }
  | { readonly kind: 'error'; readonly reason: string }

/** The one answer for "does not match". */
export const NO_MATCH: Match = { kind: 'none' }

/** A compiled expression. */
export interface Matcher {
  /** How many capturing groups it has. */
  readonly groupCount: number
  match(subject: Subject): Match
  /** Gives memory of the engine back. The matcher is not used afterwards. */
  free(): void
}

/** The message of an engine that refuses an expression. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

/** Makes a matcher of the text between the delimiters and the option letters behind them. */
export type Compile = (expression: string, options: ReadonlySet<string>) => Matcher

/** Text as C wants it: bytes, with a NUL behind. */
export function cString(text: string): Buffer {
  return Buffer.from(encodeRaw(`${text}\0`))
}

/** Encodes a key. A NUL ends it, as in C. */
export function subject(key: string): Subject {
  const nul = key.indexOf('\0')
  const text = nul < 0 ? key : key.slice(0, nul)
  const bytes = cString(text)
  return { text, bytes, length: bytes.length - 1 }
}

/** Memory for a structure of C: never moved by the garbage collector, zeroed. */
export function fixedBuffer(size: number): Buffer {
  return Buffer.from(new ArrayBuffer(size))
}
