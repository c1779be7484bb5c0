/**
 * Bundles the sources to `dist/`: one file for each program and command, shared parts in `dist/chunks`, and
 * `dist/bin/` with one executable for each command.
 *
 * A bundle starts faster than the sources and needs no node_modules but Node itself. The executables are shell
 * scripts that start the Node of this project, whatever `node` is on the PATH.
 *
 * @module
 */
import { chmodSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { build, type Plugin } from 'esbuild'

const ROOT = join(import.meta.dirname, '../../..')
const SOURCES = join(ROOT, 'src')
const OUT = join(ROOT, 'dist')
/** A file that marks the top of the bundles; programs find each other from there. */
const MARKER = '.posthorn'

/** CommonJS packages inside an ES module bundle want these. */
const BANNER = `import { createRequire as __createRequire } from 'node:module'
import { existsSync as __exists } from 'node:fs'
const require = __createRequire(import.meta.url)
const __root = ((d) => { while (!__exists(d + '/${MARKER}') && d !== '/') d = d.slice(0, d.lastIndexOf('/')) || '/'; return d })(import.meta.dirname)
`

/** A module may end up in any file of the output; where it thinks it stands follows from its source. */
const placePlugin: Plugin = {
  name: 'place of a module',
  setup(api) {
    api.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const file = relative(SOURCES, path).replace(/\.ts$/, '.js')
      const contents = text
        .replaceAll('import.meta.dirname', `(__root + ${JSON.stringify(join('/', dirname(file)))})`)
        .replaceAll('import.meta.filename', `(__root + ${JSON.stringify(join('/', file))})`)
      return { contents, loader: 'ts' }
    })
  },
}

/** Starts the pinned Node wherever this tree lies, also through a symbolic link such as /usr/sbin/sendmail. */
function launcher(command: string): string {
  return `#!/bin/sh
self=$0
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=\${self%/*}/$link ;; esac
done
case $self in */*) here=\${self%/*} ;; *) here=$(dirname "$(command -v "$self")") ;; esac
top=$here/../..
for node in "$top"/node_modules/node-*/bin/node "$top"/node/bin/node; do
  [ -x "$node" ] && POSTHORN_ARGV0=\${0##*/} exec "$node" "$top/dist/commands/${command}/main.js" "$@"
done
echo "\${0##*/}: the Node.js of this installation is missing; run: npm ci" >&2
exit 75
`
}

/** Builds everything; the old `dist/` is replaced. */
async function main(): Promise<void> {
  const entryPoints = globSync('**/main.ts', { cwd: SOURCES }).map((file) => join(SOURCES, file))
  rmSync(OUT, { recursive: true, force: true })
  mkdirSync(join(OUT, 'bin'), { recursive: true })
  writeFileSync(join(OUT, MARKER), '')
  await build({
    entryPoints, outdir: OUT, outbase: SOURCES, bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node26',
    chunkNames: 'chunks/[hash]', banner: { js: BANNER }, plugins: [placePlugin], logLevel: 'warning', legalComments: 'none',
  })
  for (const file of globSync('commands/*/main.ts', { cwd: SOURCES })) {
    const command = basename(dirname(file))
    const path = join(OUT, 'bin', command)
    writeFileSync(path, launcher(command))
    chmodSync(path, 0o755)
  }
}

await main()
