/** The name before the messages of each command: as typed, or without its path. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { judgeAbsent, judgeCommand } from '#test/support/real-postfix.ts'

const ROOT = join(import.meta.dirname, '../../..')
const NAMES = [
  'postconf', 'postcat', 'postlock', 'postqueue', 'postsuper', 'postmap', 'postalias', 'postdrop', 'postkick', 'postlog', 'postfix', 'sendmail',
] as const
/** A wrong option, a configuration that is not there, and operands that are not enough. */
const CASES: readonly (readonly string[])[] = [['-z'], ['-c', '/nonexistent', 'a', 'b', 'c']]
/** The real one finds no postdrop where it looks for it. */
const EXCEPT = new Set(['sendmail -c'])

/** The words of a wrapper of the judge, with another argv[0]. */
function wrapped(name: string, typed: string): string[] {
  const script = readFileSync(judgeCommand(name).at(-1) ?? '', 'utf8')
  const words = /^exec (.*) "\$@"$/m.exec(script)?.[1]?.split(' ') ?? assert.fail(`no wrapper: ${script}`)
  return words.map((word, i) => (words[i - 1] === '--argv0' ? typed : word))
}

/** Names at the start of each line on standard error. */
function names(command: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<string[]> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { env: { ...process.env, ...env }, timeout: 20_000 }, (_error, _stdout, stderr) => {
      const lines = stderr.split('\n').filter((line) => line !== '')
      resolve(lines.map((line) => line.replace(/^(\S+: (?:fatal: (?:usage: \S+)?|warning: )?).*/s, '$1')))
    })
    child.stdin?.end()
  })
}

async function compare(name: string, typed: string, args: readonly string[]): Promise<void> {
  const [tool, verb = '', folder = ''] = judgeCommand(name)
  const env = { POSTHORN_ARGV0: `${typed}${name}` }
  const [ours, real] = await Promise.all([
    names(process.execPath, [join(ROOT, `src/commands/${name}/main.ts`), ...args], env),
    names(tool, [verb, folder, ...wrapped(name, `${typed}${name}`), ...args]),
  ])
  assert.deepEqual(ours, real, `${name} ${args.join(' ')}`)
}

for (const typed of ['/opt/mail/', '']) {
  test(`commands show their names as the real ones do, called ${typed === '' ? 'by name' : 'by path'}`, async (t) => {
    const absent = judgeAbsent()
    if (absent !== undefined) return t.skip(absent)
    for (const name of NAMES) {
      const cases = CASES.filter(([option]) => !EXCEPT.has(`${name} ${option}`))
      await Promise.all(cases.map((args) => compare(name, typed, args)))
    }
    return undefined
  })
}
