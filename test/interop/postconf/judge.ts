/**
 * Comparing postconf with the real one on one configuration: the same output, the same messages (in any order: the
 * real one follows a hash table), the same status.
 *
 * Known differences, here and nowhere else:
 * - process_id, which is another one in each process, also where a value has it after the program's name;
 * - mail_name, whose default is Posthorn: where ours shows it, also inside other values, it is read as Postfix;
 * - table types (`-m`) and the TLS library (`-T`) are those of this build, and `-v` shows nothing: not compared;
 * - `-xPP` fails on every configuration of the real one, as it expands what may not be expanded: not compared;
 * - a first operand of a command that has blanks keeps its braces in `-M` and `-F`: the real one drops them, and then
 *   reads, or after an edit writes, two operands: not compared.
 */
import assert from 'node:assert/strict'
import { createConfigSite, runPostconf, runRealPostconf, type PostconfRun } from '#test/support/postconf.ts'
import { judgeAbsent } from '#test/support/real-postfix.ts'

type Context = { skip(reason: string): void }

/** Runs each command line on both and compares; words of a line are between blanks. */
export async function compareAll(
  t: Context, files: Readonly<Record<string, string>>, lines: readonly string[],
): Promise<void> {
  const absent = judgeAbsent()
  if (absent !== undefined) return t.skip(absent)
  using site = createConfigSite(files)
  await Promise.all(lines.map(async (line) => {
    const args = line.split(' ').filter((word) => word !== '')
    const ours = comparable(withTheirName(await runPostconf(site.directory, ...args)))
    const real = comparable(await runRealPostconf(site.directory, ...args))
    assert.deepEqual(differences(ours, real), [], `postconf ${line}`)
  }))
}

function withTheirName(run: PostconfRun): PostconfRun {
  return { ...run, out: run.out.replaceAll('Posthorn', 'Postfix') }
}

function comparable({ status, out, err }: PostconfRun): PostconfRun {
  const lines = out.split('\n').filter((line) => !/(?:^|\/|")process_id\b/.test(line))
  return { status, out: lines.join('\n').replace(/(\/postconf) \d+ /, '$1 PID '), err: err.toSorted() }
}

const SHOWN_MAX = 20

/** The lines that differ, `+` ours and `-` the real one's: far shorter than a difference of the whole outputs. */
function differences(ours: PostconfRun, real: PostconfRun): string[] {
  const [own, judged] = [textOf(ours), textOf(real)]
  const lines = [...without(own, judged).map((line) => `+ ${line}`), ...without(judged, own).map((line) => `- ${line}`)]
  if (lines.length > 0) return lines.slice(0, SHOWN_MAX)
  return own.flatMap((line, i) => (line === judged[i] ? [] : [`order: ${line}`])).slice(0, SHOWN_MAX)
}

/** The lines of `lines` that `others` has not, or not as often. */
function without(lines: readonly string[], others: readonly string[]): string[] {
  const left = new Map<string, number>()
  for (const line of others) left.set(line, (left.get(line) ?? 0) + 1)
  return lines.filter((line) => {
    const count = left.get(line) ?? 0
    left.set(line, count - 1)
    return count <= 0
  })
}

function textOf({ status, out, err }: PostconfRun): string[] {
  return [`exit status ${status}`, ...err, ...out.split('\n')]
}
