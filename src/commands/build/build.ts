/**
 * Bundles the sources to `dist/`: one file for each program and command, what daemons share in `dist/chunks`, and
 * `dist/bin/` with one executable for each command.
 *
 * A bundle starts faster than the sources and needs no node_modules but Node itself. The executables are shell
 * scripts that start the Node of this project, whatever `node` is on the PATH.
 *
 * @module
 */
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { launcher } from './launcher.ts'

const ROOT = join(import.meta.dirname, '../../..')
const SOURCES = join(ROOT, 'src')
const OUT = join(ROOT, 'dist')
/** Folders of `dist/` that this script makes. */
const OWN = ['bin', 'bounce', 'chunks', 'commands', 'deliver', 'master', 'qmgr', 'receive', 'support']
/** A file that marks the top of the bundles; programs find each other from there. */
const MARKER = '.posthorn'

/** CommonJS packages inside an ES module bundle want `require`; all files of a process share one look at where they are. */
const BANNER = `import { createRequire as __createRequire } from 'node:module'
import { existsSync as __exists, realpathSync as __realpath } from 'node:fs'
const require = __createRequire(import.meta.url)
const __place = (globalThis[Symbol.for('posthorn.place')] ??= (() => {
  let root = import.meta.dirname
  while (!__exists(root + '/${MARKER}') && root !== '/') root = root.slice(0, root.lastIndexOf('/')) || '/'
  try { return { root, main: __realpath(process.argv[1]) } } catch { return { root, main: '' } }
})())
const __root = __place.root, __main = __place.main
`

/** A module may end up in any file of the output; where it thinks it stands follows from its source. */
const placePlugin: Plugin = {
  name: 'place of a module',
  setup(api) {
    api.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const file = JSON.stringify(join('/', relative(SOURCES, path).replace(/\.ts$/, '.js')))
      const contents = text
        .replaceAll('import.meta.dirname', `(__root + ${JSON.stringify(join('/', dirname(relative(SOURCES, path))))})`)
        .replaceAll('import.meta.filename', `(__root + ${file})`)
        .replaceAll('import.meta.main', `(__main === __root + ${file})`)
      return { contents, loader: 'ts' }
    })
  },
}

const OPTIONS = {
  outdir: OUT, outbase: SOURCES, bundle: true, format: 'esm', platform: 'node', target: 'node26', banner: { js: BANNER },
  plugins: [placePlugin], logLevel: 'warning', legalComments: 'none',
} as const satisfies BuildOptions

/** The executables of commands. */
function writeLaunchers(): void {
  mkdirSync(join(OUT, 'bin'), { recursive: true })
  for (const file of globSync('commands/*/main.ts', { cwd: SOURCES })) {
    const path = join(OUT, 'bin', basename(dirname(file)))
    writeFileSync(path, launcher(dirname(file)))
    chmodSync(path, 0o755)
  }
}

/** Builds everything; the old `dist/` is replaced, but for what other scripts put there. */
async function main(): Promise<void> {
  for (const name of OWN) rmSync(join(OUT, name), { recursive: true, force: true })
  mkdirSync(OUT, { recursive: true })
  writeFileSync(join(OUT, MARKER), '')
  const programs = globSync('**/main.ts', { cwd: SOURCES })
  const commands = programs.filter((file) => file.startsWith('commands/'))
  const entries = (files: readonly string[]): string[] => files.map((file) => join(SOURCES, file))
  // Daemons start seldom and share what they load; a command starts often, and one file is read sooner than thirty.
  await build({
    ...OPTIONS, entryPoints: entries(programs.filter((file) => !commands.includes(file))), splitting: true, chunkNames: 'chunks/[hash]',
  })
  await build({ ...OPTIONS, entryPoints: entries(commands) })
  writeLaunchers()
}

await main()
