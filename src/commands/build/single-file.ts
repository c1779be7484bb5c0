/**
 * Single executables: a program (see program.ts) inside a copy of Node.js, with options of Node.js that the caller
 * cannot change. `--disable-sigusr1` is one: a caller who can send that signal to his own set-gid process would get
 * the rights of its group by a debugger.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { NODE_FLAGS, PROGRAM_FILES, programOptions, programPlugins, START_FROM_ASSETS } from './program.ts'
import { rehearse } from './rehearsal.ts'

const SOURCES = join(import.meta.dirname, '../..')
/** Where the default configuration directory stands in the sources. */
const DEFAULT_FILE = 'config/load.ts'
const DEFAULT_LINE = /^(export const DEFAULT_CONFIG_DIRECTORY = )'[^']*'$/m

/** Other default for the configuration directory; there are no files of this installation that it may rely on. */
function placePlugin(configDirectory: string | undefined): Plugin {
  return {
    name: 'single executable',
    setup(api) {
      api.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        let contents = readFileSync(path, 'utf8')
          .replaceAll('import.meta.main', 'false')
          .replaceAll(/import\.meta\.(?:dirname|filename)/g, "''")
        if (path === join(SOURCES, DEFAULT_FILE) && configDirectory !== undefined) {
          if (!DEFAULT_LINE.test(contents)) throw new Error(`Cannot find the default configuration directory in ${DEFAULT_FILE}`)
          contents = contents.replace(DEFAULT_LINE, (_all, start: string) => start + JSON.stringify(configDirectory))
        }
        return { contents, loader: 'ts' }
      })
    },
  }
}

/** What to make. */
export type SingleFile = {
  /** Entry file below `src/`. */
  readonly entry: string
  /** Names of the commands that it is. */
  readonly names: readonly string[]
  /** The executable. */
  readonly out: string
  /** Default configuration directory, when it is not /etc/postfix. */
  readonly configDirectory?: string
}

/**
 * Makes the executable, mode 0755.
 *
 * @throws An error of esbuild, or of Node.js when it cannot make executables of itself.
 */
export async function buildSingleFile({ entry, names, out, configDirectory }: SingleFile): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'posthorn-build-'))
  try {
    await build({
      ...programOptions(''), entryPoints: [join(SOURCES, entry)], outfile: join(work, PROGRAM_FILES.program),
      plugins: [...programPlugins, placePlugin(configDirectory)],
    })
    rehearse([{ folder: work, names }])
    writeFileSync(join(work, PROGRAM_FILES.start), START_FROM_ASSETS)
    const assets = [PROGRAM_FILES.program, PROGRAM_FILES.compiled].map((name) => [name, join(work, name)])
    const settings = {
      main: join(work, PROGRAM_FILES.start), output: out, executable: process.execPath, disableExperimentalSEAWarning: true,
      execArgv: NODE_FLAGS, execArgvExtension: 'none', assets: Object.fromEntries(assets),
    }
    writeFileSync(join(work, 'sea.json'), JSON.stringify(settings))
    mkdirSync(dirname(out), { recursive: true })
    execFileSync(process.execPath, ['--build-sea', join(work, 'sea.json')], { stdio: ['ignore', 'ignore', 'inherit'] })
    chmodSync(out, 0o755)
  } finally {
    rmSync(work, { recursive: true })
  }
}
