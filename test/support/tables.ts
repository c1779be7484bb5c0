/** Tables in tests: a folder for their files, and lookups as plain values. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { configFrom } from '#config/load.ts'
import { openTable } from '#tables/open.ts'
import type { TableOptions } from '#tables/table.ts'

/** A folder that goes with the `using` block. */
export type TableFolder = Disposable & {
  readonly path: string
  /** Writes a file; its path. */
  write(name: string, content: string | Uint8Array): string
}

/** Makes an empty folder. */
export function tableFolder(): TableFolder {
  const path = mkdtempSync(join(tmpdir(), 'posthorn-tables-'))
  return {
    path,
    write(name, content) {
      const file = join(path, name)
      writeFileSync(file, content)
      return file
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  }
}

/** Options with a configuration from `values`. */
export function tableOptions(values: Readonly<Record<string, string>> = {}, more: Partial<TableOptions> = {}): TableOptions {
  return { config: configFrom({ smtputf8_enable: 'yes', ...values }), ...more }
}

/** Looks keys up in a table that is opened for this: values, `undefined` for absent, `Error` for errors. */
export async function lookups(spec: string, keys: readonly string[], options = tableOptions()): Promise<unknown[]> {
  const table = openTable(spec, options)
  const results: unknown[] = []
  for (const key of keys) {
    const result = await table.lookup(key)
    results.push(result.kind === 'found' ? result.value : result.kind === 'absent' ? undefined : Error)
  }
  table.close()
  return results
}
