/**
 * Bundles of the sources: one file for each program and command, what daemons share in `chunks`, and `bin/` with
 * one executable for each command.
 *
 * @module
 */
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type BuildOptions, type Plugin } from 'esbuild'
import { launcher } from './launcher.ts'

const SOURCES = join(import.meta.dirname, '../..')
/** Folders that are made anew; what other scripts put beside them stays. */
const OWN = ['bin', 'bounce', 'chunks', 'commands', 'deliver', 'drivers', 'master', 'qmgr', 'receive', 'support']
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

/** Modules of Node.js that take milliseconds to load, and that most commands import for what they seldom do. */
const LATE_MODULES = /^node:(?:crypto|tls)$/

/** Functions of such a module, which is loaded at the first call of one. Its classes are for daemons. */
export const lateModulesPlugin: Plugin = {
  name: 'modules loaded at first use',
  setup(api) {
    api.onResolve({ filter: LATE_MODULES }, ({ path, kind }) => (kind === 'import-statement' ? { path, namespace: 'late' } : undefined))
    api.onLoad({ filter: /^/, namespace: 'late' }, async ({ path }) => {
      const all = Object.entries(await import(path))
      const names = all.filter(([name, value]) => typeof value === 'function' && name !== 'default').map(([name]) => name)
      const load = `const load = () => process.getBuiltinModule('${path}')\n`
      return { contents: load + names.map((name) => `export const ${name} = (...args) => load().${name}(...args)`).join('\n') }
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
  const commands = programs.filter((file) => file.startsWith('commands/'))
  const daemons = programs.filter((file) => !file.startsWith('commands/'))
  const entries = (files: readonly string[]): string[] => files.map((file) => join(SOURCES, file))
  // Daemons start seldom and share what they load; a command starts often, and one file is read sooner than thirty.
  await build({ ...OPTIONS, outdir: out, entryPoints: entries(daemons), splitting: true, chunkNames: 'chunks/[hash]' })
  await build({
    ...OPTIONS, outdir: out, entryPoints: entries(commands), plugins: [...OPTIONS.plugins, driversPlugin, lateModulesPlugin],
    // Less to read; names stay, for the sake of stack traces.
    minifyWhitespace: true, minifySyntax: true,
  })
  await Promise.all([...DRIVERS].map(([name, exports]) => bundleDriver(out, name, exports)))
  for (const file of commands) {
    const path = join(out, 'bin', basename(dirname(file)))
    writeFileSync(path, launcher(dirname(file)))
    chmodSync(path, 0o755)
  }
}
