/**
 * `npm run build`: bundles the sources to `dist/`, with one executable for each command in `dist/bin/`.
 *
 * A bundle starts faster than the sources and needs no node_modules but Node itself. The executables are shell
 * scripts that start the Node of this project, whatever `node` is on the PATH.
 *
 * @module
 */
import { join } from 'node:path'
import { bundle } from './bundle.ts'

await bundle(join(import.meta.dirname, '../../../dist'))
