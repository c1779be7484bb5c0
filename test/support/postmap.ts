/** The same postmap or postalias command by ours and by the real Postfix: output, exit status and log. */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { main as postalias } from '#commands/postalias/main.ts'
import { main as postmap } from '#commands/postmap/main.ts'
import { CommandExit } from '#commands/getopt.ts'
import { captureLog } from '#test/support/log.ts'
import { judgeAbsent, judgeCommand } from '#test/support/real-postfix.ts'
import { tableFolder, type TableFolder } from '#test/support/tables.ts'

/** What a command has done. */
export type Result = { readonly status: number; readonly out: string; readonly log: string }
/** A real Postfix; `absent` tells why it cannot be asked. */
export type Postfix = { readonly name: string; readonly absent: string | undefined; command(program: string): [string, ...string[]] }

/** The judge, version 3.11. */
export const JUDGE: Postfix = { name: '3.11', absent: judgeAbsent(), command: judgeCommand }
/** The one that the machine has. */
export const SYSTEM: Postfix = {
  name: 'of the system',
  absent: existsSync('/usr/sbin/postmap') ? undefined : 'no Postfix is installed',
  command: (program) => [`/usr/sbin/${program}`],
}

/** Lines of Debian's packages, not of Postfix. */
const DEBIAN = /package installed\?|support is deprecated\.|NON_BERKELEYDB_README/

/** Runs a command of Postfix; repeated lines are taken out of the log. */
export function theirs(postfix: Postfix, folder: TableFolder, program: string, argv: readonly string[], input = ''): Promise<Result> {
  const [command, ...before] = postfix.command(program)
  return new Promise((resolve) => {
    const child = execFile(command, [...before, '-c', folder.path, ...argv], (error, out, err) => {
      const lines = err.split('\n').filter((line) => line !== '' && !DEBIAN.test(line))
      resolve({ status: error === null ? 0 : Number(error.code), out, log: [...new Set(lines)].join('\n') })
    })
    child.stdin?.end(input)
  })
}

async function* stream(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

/** Runs a command of ours in this process. */
export async function ours(folder: TableFolder, program: 'postmap' | 'postalias', argv: readonly string[], input = ''): Promise<Result> {
  using log = captureLog()
  let out = ''
  const console = { out: (text: string | Uint8Array) => { out += Buffer.from(text).toString() }, err: () => undefined }
  const main = program === 'postmap' ? postmap : postalias
  const lines = (): string[] => log.texts().map((text) => `${program}: ${text}`)
  try {
    const status = await main(['-c', folder.path, ...argv], console, stream(input))
    return { status, out, log: lines().join('\n') }
  } catch (error) {
    if (!(error instanceof CommandExit)) throw error
    return { status: error.exitCode, out, log: [...lines(), error.message].join('\n') }
  }
}

/** A folder with a main.cf. */
export function workplace(): TableFolder {
  const folder = tableFolder()
  folder.write('main.cf', 'compatibility_level = 3.6\n')
  return folder
}
