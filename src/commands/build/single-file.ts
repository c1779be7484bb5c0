/**
 * Single executables: a bundle inside a copy of Node.js, with options of Node.js that the caller cannot change.
 *
 * @module
 */
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { lateModulesPlugin } from './bundle.ts'

const SOURCES = join(import.meta.dirname, '../..')
/** Where the default configuration directory stands in the sources. */
const DEFAULT_FILE = 'config/load.ts'
const DEFAULT_LINE = /^(export const DEFAULT_CONFIG_DIRECTORY = )'[^']*'$/m

/**
 * Options of Node.js. SIGUSR1 would open a debugger: a caller who can send it to his own set-gid process would get
 * the rights of its group.
 */
const NODE_OPTIONS = ['--disable-sigusr1', '--disable-warning=ExperimentalWarning']

const BANNER = `import { createRequire as __createRequire } from 'node:module'
const require = __createRequire('/')
`

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
export async function buildSingleFile({ entry, out, configDirectory }: SingleFile): Promise<void> {
  const work = mkdtempSync(join(tmpdir(), 'posthorn-build-'))
  try {
    const main = join(work, 'main.mjs')
    await build({
      entryPoints: [join(SOURCES, entry)], outfile: main, bundle: true, format: 'esm', platform: 'node', target: 'node26',
      banner: { js: BANNER }, plugins: [placePlugin(configDirectory), lateModulesPlugin], logLevel: 'warning', legalComments: 'none',
      minifyWhitespace: true, minifySyntax: true,
    })
    const settings = {
      main, output: out, mainFormat: 'module', executable: process.execPath, disableExperimentalSEAWarning: true,
      execArgv: NODE_OPTIONS, execArgvExtension: 'none',
      // Compiled ahead, inside the executable, where nobody else can change it: a third of the time of a start.
      useCodeCache: true,
    }
    writeFileSync(join(work, 'sea.json'), JSON.stringify(settings))
    mkdirSync(dirname(out), { recursive: true })
    execFileSync(process.execPath, ['--build-sea', join(work, 'sea.json')], { stdio: ['ignore', 'ignore', 'inherit'] })
    chmodSync(out, 0o755)
  } finally {
    rmSync(work, { recursive: true })
  }
}
