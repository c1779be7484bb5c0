/** postconf in this process and the real one, on a configuration directory made for a test. */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { CommandExit } from '#commands/getopt.ts'
import { main } from '#commands/postconf/main.ts'
import { judgeCommand } from './real-postfix.ts'

/** What a run printed: standard output, lines of standard error, exit status. */
export type PostconfRun = { readonly status: number; readonly out: string; readonly err: readonly string[] }

/** A configuration directory; gone at the end of the `using` block. */
export type ConfigSite = Disposable & {
  readonly directory: string
  /** All its files by path within it. */
  files(): Record<string, string>
}

const LONG_AGO = new Date('2020-01-02T03:04:05Z')

const SITES = join(import.meta.dirname, '../fixtures/sites')

/** Names of the configurations in test/fixtures/sites. */
export function siteNames(): string[] {
  return readdirSync(SITES).toSorted()
}

/** The files of one of them, as if its folder were /etc/postfix: createConfigSite() puts the real folder there. */
export function siteFiles(name: string): Record<string, string> {
  return filesOf(join(SITES, name))
}

/** Makes a directory with these files; `/etc/postfix/` in their text becomes its path. */
export function createConfigSite(files: Readonly<Record<string, string>>): ConfigSite {
  const directory = mkdtempSync(join(tmpdir(), 'posthorn-config-'))
  for (const [name, text] of Object.entries(files)) {
    const path = join(directory, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text.replaceAll('/etc/postfix/', `${directory}/`))
    // Postfix reads a file again and again while it is a second old, and then prints its warnings as often.
    utimesSync(path, LONG_AGO, LONG_AGO)
  }
  return {
    directory,
    files: () => filesOf(directory),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  }
}

function filesOf(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const files = paths.filter((path) => statSync(join(directory, path)).isFile()).toSorted()
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(directory, path), 'latin1')]))
}

/** Runs our postconf with `-c directory`, in this process. */
export async function runPostconf(directory: string, ...args: readonly string[]): Promise<PostconfRun> {
  let out = ''
  const err: string[] = []
  const console = {
    out: (text: string) => { out += text },
    warn: (text: string, program = 'postconf') => { err.push(`${program}: warning: ${text}`) },
  }
  try {
    return { status: await main(['-c', directory, ...args], console), out, err }
  } catch (error) {
    if (!(error instanceof CommandExit)) throw error
    return { status: error.exitCode, out, err: [...err, ...error.message.split('\n')].filter((line) => line !== '') }
  }
}

/** Runs the real postconf with `-c directory`. */
export function runRealPostconf(directory: string, ...args: readonly string[]): Promise<PostconfRun> {
  const [command, ...before] = judgeCommand('postconf')
  return new Promise((resolve) => {
    const child = execFile(command, [...before, '-c', directory, ...args], (_error, stdout, stderr) => {
      resolve({ status: child.exitCode ?? -1, out: stdout, err: stderr.split('\n').filter((line) => line !== '') })
    })
  })
}
