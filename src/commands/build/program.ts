/**
 * The form of a program that starts for a moment: one function, and beside it what V8 made of it when it was
 * rehearsed. A start then reads bytecode instead of compiling, which halves its time.
 *
 * The function is a script and no ES module, as Node.js looks at every name of each module that an ES module imports,
 * and so loads streams and promises with `node:fs`.
 *
 * @module
 */
import { readFileSync } from 'node:fs'
import type { BuildOptions, Plugin } from 'esbuild'
import { PARAMETERS } from '#config/parameters/table.ts'
import { lateModulesPlugin } from './late-modules.ts'

/**
 * Options of Node.js: warnings are for developers; SIGUSR1 must not open a debugger in a mail system; with so much room
 * (MB) a command of usual size ends before garbage is collected. Options of V8 are part of what it compiles.
 */
export const NODE_FLAGS = ['--disable-warning=ExperimentalWarning', '--disable-sigusr1', '--min-semi-space-size=4']

/** Files of a program, in its folder. */
export const PROGRAM_FILES = { start: 'main.js', program: 'program.js', compiled: 'program.cache' } as const

const CLOCK = 'const __now = () => Number(process.hrtime.bigint()) / 1e6;'
/** Each source asks for its modules, and Node.js takes its time to find one that is loaded. */
const KNOWN_MODULES = `const __modules = {}, __require = require
require = Object.assign((name) => __modules[name] ??= __require(name), __require);`

/** How esbuild makes the function. ASCII, as its text is read with one byte for each character. */
export function programOptions(prelude: string): BuildOptions {
  return {
    bundle: true, format: 'cjs', platform: 'node', target: 'node26', charset: 'ascii', logLevel: 'warning', legalComments: 'none',
    // Less to read; names stay, for the sake of stack traces.
    minifyWhitespace: true, minifySyntax: true,
    // The clock without the rest of node:perf_hooks. Only its differences mean anything.
    define: { 'performance.now': '__now' },
    banner: { js: `(function (require, __folder) { 'use strict'; const module = { exports: {} }; ${CLOCK} ${KNOWN_MODULES} ${prelude}` }, footer: { js: '})' },
  }
}

/** The table of parameters as data: the calls that make its thousand rows are a tenth of the time of a start. */
const tablePlugin: Plugin = {
  name: 'table of parameters',
  setup(api) {
    api.onLoad({ filter: /\/src\/config\/parameters\/table\.ts$/ }, ({ path }) => {
      const data = `export const PARAMETERS = JSON.parse(${JSON.stringify(JSON.stringify(PARAMETERS))})`
      const source = readFileSync(path, 'utf8')
      const contents = source.replace(TABLE_REGEXP, () => data).replaceAll(/^import \{.*\n/gm, '')
      if (!contents.includes(data)) throw new Error(`Cannot find the table of parameters in ${path}`)
      return { contents, loader: 'ts' }
    })
  },
}
const TABLE_REGEXP = /^export const PARAMETERS = \{[^}]*\} as const$/m

/** The table of parameters, and modules that are put off. They come before other plugins that load sources. */
export const programPlugins = [tablePlugin, lateModulesPlugin]

/** Compiles and runs the function; `source` and `cachedData` are expressions. What V8 does not accept is compiled anew. */
function run(source: string, file: string): string {
  return `new Script(${source}, { filename: ${file}, cachedData, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER })
  .runInThisContext()`
}

/** The script that starts a program in files of its own. */
export const START_FROM_FILES = `'use strict'
const { readFileSync } = require('node:fs')
const { Script, constants } = require('node:vm')
const file = __dirname + '/${PROGRAM_FILES.program}'
let cachedData
try { cachedData = readFileSync(__dirname + '/${PROGRAM_FILES.compiled}') } catch {}
${run("readFileSync(file, 'latin1')", 'file')}(require, __dirname)
`

/** The same for a single executable, which has both inside. */
export const START_FROM_ASSETS = `'use strict'
const { getRawAsset } = require('node:sea')
const { Script, constants } = require('node:vm')
const asset = (name) => Buffer.from(getRawAsset(name))
const cachedData = asset('${PROGRAM_FILES.compiled}')
${run(`asset('${PROGRAM_FILES.program}').latin1Slice()`, `'/${PROGRAM_FILES.program}'`)}(require, '')
`
