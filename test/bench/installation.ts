/** The mail systems that are compared, and how each one's commands are run. */
import { existsSync, mkdirSync, mkdtempSync, chmodSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bundle } from '#commands/build/bundle.ts'
import { JUDGE_DIRECTORIES, judgeAbsent, judgeCommand } from '#test/support/real-postfix.ts'

export type ServerKind = 'postfix' | 'postfix tuned' | 'postfix 3.11' | 'posthorn'

/** One mail system as it is installed. */
export type Installation = {
  /** The command line of one of its commands. */
  readonly command: (name: string) => readonly string[]
  /** Lines of main.cf that say where it is, and what makes this kind different. */
  readonly main: Readonly<Record<string, string>>
}

/** Debian's, used for all. */
export const MASTER_CF = '/usr/share/postfix/master.cf.dist'
const ROOT = join(import.meta.dirname, '../..')
/** postconf(5) in_flow_delay: the brake on receivers, which costs Postfix most under full load. */
const TUNING = { in_flow_delay: '0' }

/** Posthorn's bundles in a folder of their own, with the pinned Node.js beside them. */
export type Bundles = Disposable & { readonly folder: string }

/** What `npm run build` makes, in a temporary folder that workers without rights can read. */
export async function buildBundles(): Promise<Bundles> {
  const top = mkdtempSync(join(tmpdir(), 'posthorn-bench-dist-'))
  chmodSync(top, 0o755)
  mkdirSync(join(top, 'node/bin'), { recursive: true })
  symlinkSync(process.execPath, join(top, 'node/bin/node'))
  await bundle(join(top, 'dist'))
  return { folder: join(top, 'dist'), [Symbol.dispose]: () => rmSync(top, { recursive: true, force: true }) }
}

/** Why a mail system cannot be measured here; `undefined` when it can. */
export function absent(kind: ServerKind): string | undefined {
  if (process.getuid?.() !== 0) return 'servers are started by root'
  if (!existsSync(MASTER_CF)) return `no ${MASTER_CF}: the user and master.cf of Debian's Postfix are used for all`
  if (kind === 'postfix 3.11') return judgeAbsent()
  return kind === 'posthorn' || existsSync('/usr/sbin/postfix') ? undefined : 'no Postfix is installed'
}

/** @param bundles Where Posthorn's bundles are; without them it runs from the sources. */
export function installation(kind: ServerKind, bundles?: string): Installation {
  switch (kind) {
    case 'postfix': return { command: (name) => [`/usr/sbin/${name}`], main: {} }
    case 'postfix tuned': return { command: (name) => [`/usr/sbin/${name}`], main: TUNING }
    case 'postfix 3.11': return { command: judgeCommand, main: JUDGE_DIRECTORIES }
    case 'posthorn': return { command: ours(bundles), main: {} }
    default: return kind satisfies never
  }
}

function ours(bundles: string | undefined): Installation['command'] {
  if (bundles !== undefined) return (name) => [join(bundles, 'bin', name)]
  return (name) => [process.execPath, '--disable-warning=ExperimentalWarning', join(ROOT, 'src/commands', name, 'main.ts')]
}
