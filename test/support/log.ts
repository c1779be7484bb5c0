/** The log of the process, caught for a test. */
import { restoreLog, setLog, type LogFields, type Logger } from '#system/log.ts'

/** One caught line: `text` with the word for its severity, as a log reader sees it after `ident[pid]: `. */
export type CaughtLine = { readonly ident: string; readonly text: string; readonly fields: LogFields }

/** What `captureLog()` gives: the lines so far, and the way back. */
export type CapturedLog = Disposable & {
  readonly lines: CaughtLine[]
  /** The texts only. */
  texts(): string[]
  readonly log: Logger
  restore(): void
}

/** Catches all lines of this process until `restore()`, or the end of a `using` block. */
export function captureLog(ident = 'postfix/test'): CapturedLog {
  const lines: CaughtLine[] = []
  const loggerFor = (name: string): Logger => {
    const add = (word: string) => (text: string, fields: LogFields = {}): void => {
      lines.push({ ident: name, text: `${word}${text}`, fields })
    }
    return {
      info: add(''),
      warning: add('warning: '),
      error: add('error: '),
      fatal: add('fatal: '),
      panic: add('panic: '),
      debug: () => undefined,
      verbose: false,
      as: (program) => loggerFor(`${ident.replace(/\/[^/]*$/, '')}/${program}`),
      flush: () => undefined,
    }
  }
  const log = loggerFor(ident)
  const before = setLog(log)
  const restore = (): void => restoreLog(before)
  return { lines, texts: () => lines.map((line) => line.text), log, restore, [Symbol.dispose]: restore }
}
