/**
 * `npm run man`: writes the manual pages of all programs to `dist/man`, made from the headers of their main.ts, and
 * postconf(5), made from the table of parameters.
 *
 * @module
 */
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manualPage, parseManual } from './manual.ts'
import { parametersPage } from './parameters-page.ts'

const ROOT = join(import.meta.dirname, '../../..')
const OUT = join(ROOT, 'dist/man')

function version(): string {
  const facts: unknown = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))
  return typeof facts === 'object' && facts !== null && 'version' in facts ? String(facts.version) : ''
}

rmSync(OUT, { recursive: true, force: true })
for (const file of globSync('src/**/main.ts', { cwd: ROOT })) {
  const manual = parseManual(readFileSync(join(ROOT, file), 'utf8'))
  if (manual === undefined) throw new Error(`Cannot make a manual page of ${file}: its header does not begin with its name`)
  const section = file.startsWith('src/commands/') ? '1' : '8'
  mkdirSync(join(OUT, `man${section}`), { recursive: true })
  writeFileSync(join(OUT, `man${section}`, `${manual.name}.${section}`), manualPage(manual, section, version()))
}
mkdirSync(join(OUT, 'man5'))
writeFileSync(join(OUT, 'man5', 'postconf.5'), parametersPage(version()))
