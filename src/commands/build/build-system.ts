/**
 * `npm run build:system`: makes `dist/system/posthorn-setgid`, the executable for the names postdrop, postqueue and
 * postlog of a system install.
 *
 *     node src/commands/build/build-system.ts [--config-directory DIR]
 *
 * A set-gid program trusts one configuration directory, which is part of it: /etc/postfix, or DIR.
 *
 * @module
 */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { buildSingleFile } from './single-file.ts'

const { values } = parseArgs({ options: { 'config-directory': { type: 'string' } } })
const configDirectory = values['config-directory']

await buildSingleFile({
  entry: 'commands/setgid-entry.ts',
  names: ['postdrop', 'postlog', 'postqueue'],
  out: join(import.meta.dirname, '../../../dist/system/posthorn-setgid'),
  ...(configDirectory === undefined ? {} : { configDirectory }),
})
