/**
 * Import rules of src/, checked on the text of every file: forms, layers, no cycles.
 *
 * TypeScript 7 has no stable compiler API, so this reads import statements with
 * a regular expression; the forms allowed here are the only ones it must know.
 */
import assert from 'node:assert/strict'
import { readFile, glob } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { test } from 'node:test'

/** The libraries of src/, leaves first: each may import those before it. */
const LIBRARIES = ['util', 'mail', 'system', 'config', 'network', 'tables', 'queue', 'rewrite', 'access', 'cleanup', 'service'] as const

/** The processes: each may import every library, and never another process. */
const PROCESSES = ['receive', 'qmgr', 'deliver', 'bounce', 'support'] as const

/** For each folder of src/, the folders it may import besides itself. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(LIBRARIES.map((name, i) => [name, LIBRARIES.slice(0, i)])),
  ...Object.fromEntries(PROCESSES.map((name) => [name, LIBRARIES])),
  commands: LIBRARIES,
  master: LIBRARIES,
}

/** Packages, and the folders that may import each. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  pino: ['system'],
  ioredis: ['network'],
  'dns-packet': ['network'],
  pg: ['network'],
  mysql2: ['network'],
  'ipaddr.js': ['util', 'network', 'tables'],
  selfsigned: ['network'],
  commander: ['commands'],
  esbuild: ['commands'],
  'smtp-server': ['receive'],
  nodemailer: ['deliver', 'bounce'],
  mailparser: ['bounce'],
}

/** Folders of pure functions: no file, socket, clock or process of Node.js. */
const PURE: readonly string[] = ['util', 'mail']

const IMPORT = /^\s*(?:import|export)\b[^'"]*?\bfrom\s+'([^']+)'|^\s*import\s+'([^']+)'|\bimport\(\s*'([^']+)'/gm

async function readImports(): Promise<Map<string, string[]>> {
  const imports = new Map<string, string[]>()
  for await (const file of glob('src/**/*.ts')) {
    const text = (await readFile(file, 'utf8')).replaceAll(/\/\*[^]*?\*\//g, '')
    imports.set(file, [...text.matchAll(IMPORT)].map((m) => m[1] ?? m[2] ?? m[3] ?? ''))
  }
  return imports
}

/** The file that a specifier names, or why this form is not allowed. */
function resolve(file: string, specifier: string): { path?: string; refusal?: string } {
  const own = file.split('/')[1] ?? ''
  if (specifier.startsWith('node:')) {
    return PURE.includes(own) ? { refusal: `${file}: ${own} may not import ${specifier}` } : {}
  }
  if (/^\.\/(?:[\w-]+\/)*[\w-]+\.ts$/.test(specifier)) return { path: normalize(join(dirname(file), specifier)) }
  const homes = PACKAGES[specifier] ?? PACKAGES[specifier.split('/')[0] ?? '']
  if (homes !== undefined) {
    return homes.includes(own) ? {} : { refusal: `${file}: only ${homes.join(', ')} may import ${specifier}` }
  }
  const layer = /^#([\w-]+)\/.+\.ts$/.exec(specifier)?.[1]
  if (layer === undefined) {
    return { refusal: `${file}: '${specifier}' is not './file.ts', '#layer/file.ts' or 'node:name'` }
  }
  if (layer !== own) {
    if (!LAYERS[own]?.includes(layer)) return { refusal: `${file}: ${own} may not import ${layer}` }
  }
  return { path: `src/${specifier.slice(1)}` }
}

test('every import has an allowed form and points to a lower layer', async () => {
  const refusals: string[] = []
  for (const [file, specifiers] of await readImports()) {
    if (file.endsWith('/index.ts')) refusals.push(`${file}: import the module itself, not a barrel`)
    for (const specifier of specifiers) refusals.push(resolve(file, specifier).refusal ?? '')
  }
  assert.deepEqual(refusals.filter((text) => text !== ''), [])
})

test('no import cycle, type-only imports included', async () => {
  const imports = await readImports()
  const done = new Set<string>()
  const visit = (file: string, trail: readonly string[]): void => {
    assert.ok(!trail.includes(file), [...trail.slice(trail.indexOf(file)), file].join(' -> '))
    if (done.has(file)) return
    for (const specifier of imports.get(file) ?? []) {
      const { path } = resolve(file, specifier)
      if (path !== undefined) visit(path, [...trail, file])
    }
    done.add(file)
  }
  for (const file of imports.keys()) visit(file, [])
})
