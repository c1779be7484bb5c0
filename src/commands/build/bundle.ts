/**
 * Bundles of the sources: one file for each daemon, what they share in `chunks`; for each command a program that is
 * compiled ahead (see program.ts); and `bin/` with one executable for each command.
 *
 * @module
 */
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { launcher } from './launcher.ts'
import { PROGRAM_FILES, programOptions, programPlugins, START_FROM_FILES } from './program.ts'
import { rehearse } from './rehearsal.ts'

const SOURCES = join(import.meta.dirname, '../..')
/** Folders that are made anew; what other scripts put beside them stays. */
const OWN = ['bin', 'bounce', 'chunks', 'commands', 'deliver', 'drivers', 'master', 'qmgr', 'receive', 'support']
/** A file that marks the top of the bundles; programs find each other from there. */
const MARKER = '.posthorn'

/** Where a command stands: see placePlugin. */
const PLACE_OF_COMMAND = `const __root = __folder.split('/').slice(0, -2).join('/'), __main = __folder + '/${PROGRAM_FILES.start}';`

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
      const source = relative(SOURCES, path)
      const file = JSON.stringify(join('/', source.replace(/\.ts$/, '.js')))
      const contents = readFileSync(path, 'utf8')
        .replaceAll('import.meta.dirname', `(__root + ${JSON.stringify(join('/', dirname(source)))})`)
        .replaceAll('import.meta.filename', `(__root + ${file})`)
        .replaceAll('import.meta.main', `(__main === __root + ${file})`)
      return { contents, loader: 'ts' }
    })
  },
}

/**
 * Packages that are loaded when a table of their kind is asked, and the names that are taken from each besides the
 * whole. Commands have them in files of their own: most never need them, and they would be most of each command.
 */
const DRIVERS: ReadonlyMap<string, readonly string[]> = new Map([['ioredis', ['Cluster', 'Redis']], ['mysql2', []], ['pg', []]])

/** Leads commands to those files. */
const driversPlugin: Plugin = {
  name: 'drivers of databases',
  setup(api) {
    api.onResolve({ filter: /^[\w-]+$/ }, ({ kind, path }) => {
      return kind === 'dynamic-import' && DRIVERS.has(path) ? { path: `../../drivers/${path}.js`, external: true } : undefined
    })
  },
}

const OPTIONS = {
  outbase: SOURCES, bundle: true, format: 'esm', platform: 'node', target: 'node26', banner: { js: BANNER },
  plugins: [placePlugin], logLevel: 'warning', legalComments: 'none',
} as const satisfies BuildOptions

/** One package, with `exports` besides its default export. */
async function bundleDriver(out: string, name: string, exports: readonly string[]): Promise<void> {
  const lines = [`import all from '${name}'`, 'export default all', ...exports.map((each) => `export const ${each} = all.${each}`)]
  const stdin = { contents: lines.join('\n'), resolveDir: SOURCES }
  await build({ ...OPTIONS, stdin, outfile: join(out, 'drivers', `${name}.js`) })
}

/**
 * Bundles everything; what an earlier run left is replaced.
 *
 * @param out Folder, usually `dist`. Its executables want Node.js at `../node/bin/node` or in `../node_modules`.
 * @throws An error of esbuild, which has printed it.
 */
export async function bundle(out: string): Promise<void> {
  for (const name of OWN) rmSync(join(out, name), { recursive: true, force: true })
  mkdirSync(join(out, 'bin'), { recursive: true })
  writeFileSync(join(out, MARKER), '')
  const programs = globSync('**/main.ts', { cwd: SOURCES })
  const daemons = programs.filter((file) => !file.startsWith('commands/')).map((file) => join(SOURCES, file))
  // Daemons start seldom and share what they load; a command starts often, and one file is read sooner than thirty.
  await build({ ...OPTIONS, outdir: out, entryPoints: daemons, splitting: true, chunkNames: 'chunks/[hash]' })
  await Promise.all([...DRIVERS].map(([name, exports]) => bundleDriver(out, name, exports)))
  await bundleCommands(out, programs.filter((file) => file.startsWith('commands/')).map((file) => dirname(file)))
}

/** @param commands Their folders below the sources. */
async function bundleCommands(out: string, commands: readonly string[]): Promise<void> {
  await build({
    ...programOptions(PLACE_OF_COMMAND), outdir: out, outbase: SOURCES, plugins: [...programPlugins, placePlugin, driversPlugin],
    entryPoints: commands.map((folder) => ({ in: join(SOURCES, folder, 'main.ts'), out: join(folder, 'program') })),
  })
  writeFileSync(join(out, 'commands/package.json'), '{ "type": "commonjs" }\n')
  for (const folder of commands) {
    writeFileSync(join(out, folder, PROGRAM_FILES.start), START_FROM_FILES)
    const path = join(out, 'bin', basename(folder))
    writeFileSync(path, launcher(folder))
    chmodSync(path, 0o755)
  }
  rehearse(commands.map((folder) => ({ folder: join(out, folder), names: [basename(folder)] })))
}
