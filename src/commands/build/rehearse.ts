/**
 * Runs a program once, and keeps what V8 compiled for it: the child process of a rehearsal.
 *
 *     node rehearse.ts PROGRAM COMPILED [ARGUMENT ...]
 *
 * What COMPILED holds already stays part of it, so that one rehearsal follows another.
 *
 * @module
 */
import { fstatSync, ftruncateSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { constants, Script } from 'node:vm'
import { PROGRAM_FILES } from './program.ts'

const [file = '', compiled = '', ...args] = process.argv.slice(2)
const start = `${dirname(file)}/${PROGRAM_FILES.start}`
process.argv = [process.execPath, start, ...args]
// The program may give up the right to open it, or leave the directory.
const out = openSync(compiled, 'a+')
const before = Buffer.alloc(fstatSync(out).size)
readSync(out, before, 0, before.length, 0)
const cache = before.length === 0 ? {} : { cachedData: before }
const script = new Script(readFileSync(file, 'latin1'), {
  filename: file, ...cache, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
})
process.on('exit', () => {
  ftruncateSync(out)
  writeSync(out, script.createCachedData())
})
script.runInThisContext()(createRequire(start), dirname(file))
