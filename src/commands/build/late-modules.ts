/**
 * Modules that are loaded at their first use, in the programs that start for a moment.
 *
 * Each of these costs a millisecond or more, and most commands import them for what they seldom do.
 *
 * @module
 */
import type { Plugin } from 'esbuild'

/** What a script of Node.js has not loaded by itself. */
const LATE = [
  'assert', 'child_process', 'crypto', 'dns', 'dns/promises', 'fs/promises', 'http', 'https', 'net', 'perf_hooks', 'readline',
  'readline/promises', 'stream', 'stream/promises', 'tls', 'tty', 'worker_threads', 'zlib',
]
const LATE_MODULES = new RegExp(`^(?:node:)?(?:${LATE.join('|')})$`)

/**
 * Functions load the module when they are called, and classes when they are used, which is at the start where a program
 * has a class made of one. Other values load it at the start of a program that uses them.
 */
async function forImport(path: string): Promise<string> {
  const lines = Object.entries(await import(path)).map(([name, value]) => {
    if (name === 'default') return `export { default } from '${WHOLE}${path}'`
    if (typeof value !== 'function') return `export const ${name} = /* @__PURE__ */ property('${name}')`
    const isClass = /^[A-Z]/.test(name)
    return `export const ${name} = ${isClass ? `/* @__PURE__ */ late(() => load().${name})` : `(...args) => load().${name}(...args)`}`
  })
  return [`const load = () => process.getBuiltinModule('${path}'), property = (name) => load()[name]`, LATE_CLASS, ...lines].join('\n')
}

/** Stands for a class in everything that is done with one. */
const LATE_CLASS = `const late = (load) => {
  const it = new Proxy(function () {}, {
    get: (_, name) => load()[name],
    construct: (_, args, target) => Reflect.construct(load(), args, target === it ? load() : target),
    apply: (_, self, args) => Reflect.apply(load(), self, args),
  })
  return it
}`

/** Before the name of a module: all of it as one object, as CommonJS packages and default imports have it. */
const WHOLE = 'whole '

/** Its properties load the module when they are read. */
async function forWhole(path: string): Promise<string> {
  const module: unknown = process.getBuiltinModule(path)
  const names = Object.keys(await import(path)).filter((name) => name !== 'default' && name !== 'module.exports')
  return `const load = () => process.getBuiltinModule('${path}')
const whole = ${typeof module === 'function' ? '(...args) => load()(...args)' : '{}'}
for (const name of ${JSON.stringify(names)}) Object.defineProperty(whole, name, { enumerable: true, get: () => load()[name] })
module.exports = whole`
}

/** Packages whose default export is a function: pino, as most commands log nothing. */
const LATE_PACKAGES = /^pino$/

/** The function loads the package. */
function forPackage(name: string): string {
  return `let all
export default (...args) => (all ??= require('${name}'))(...args)`
}

/** Puts the modules off. */
export const lateModulesPlugin: Plugin = {
  name: 'modules loaded at first use',
  setup(api) {
    api.onResolve({ filter: LATE_MODULES }, ({ path, kind }) => {
      const namespace = kind === 'import-statement' ? 'late-import' : kind === 'require-call' ? 'late-whole' : undefined
      return namespace === undefined ? undefined : { path: path.replace(/^(?:node:)?/, 'node:'), namespace, sideEffects: false }
    })
    api.onResolve({ filter: LATE_PACKAGES }, ({ path, kind, resolveDir }) => {
      return kind === 'import-statement' ? { path, namespace: 'late-package', pluginData: resolveDir } : undefined
    })
    api.onLoad({ filter: /^/, namespace: 'late-package' }, ({ path, pluginData }) => ({ contents: forPackage(path), resolveDir: String(pluginData) }))
    api.onLoad({ filter: /^/, namespace: 'late-import' }, async ({ path }) => ({ contents: await forImport(path) }))
    api.onResolve({ filter: /^/, namespace: 'late-import' }, ({ path }) => ({ path: path.replace(WHOLE, ''), namespace: 'late-whole', sideEffects: false }))
    api.onLoad({ filter: /^/, namespace: 'late-whole' }, async ({ path }) => ({ contents: await forWhole(path) }))
  },
}
