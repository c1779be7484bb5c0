/** Commands as child processes: ours, and the real ones, with the same arguments. */
import { spawnSync } from 'node:child_process'
import { join, resolve } from 'node:path'
import { judgeCommand } from './real-postfix.ts'

/** What a command left. */
export type ToolResult = { readonly status: number | null; readonly stdout: string; readonly stderr: string }

export type ToolOptions = {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  readonly input?: string | Uint8Array
}

/** The real command and ours, for the same name. */
export const TOOLS = {
  real: (name: string): readonly string[] => judgeCommand(name),
  ours: (name: string): readonly string[] => [process.execPath, resolve(join('src', 'commands', name, 'main.ts'))],
} as const

/** Whose tool is run. */
export type Whose = keyof typeof TOOLS

/** Runs a command to its end. Bytes are kept as latin1 text. */
export function runTool(whose: Whose, name: string, args: readonly string[], options: ToolOptions = {}): ToolResult {
  const [command = '', ...before] = TOOLS[whose](name)
  const { status, stdout, stderr } = spawnSync(command, [...before, ...args], {
    cwd: options.cwd, env: { PATH: process.env['PATH'], ...options.env }, input: options.input ?? '', encoding: 'latin1', maxBuffer: 2 ** 28,
  })
  return { status, stdout, stderr }
}

/** What the real tools print with `-v` about their own doings is not compared. */
export function withoutVerbose(text: string): string {
  return text.split('\n').filter((line) => !/^post\w+: (?!warning: |error: |fatal: )/.test(line)).join('\n')
}
