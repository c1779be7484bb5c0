/**
 * The executables of `dist/bin/`: shell scripts that run a bundle with the Node.js of this installation.
 *
 * @module
 */
import { NODE_FLAGS } from './program.ts'

/** What Node.js would take from the caller's environment: options, code to load, files to write, trust in certificates. */
const NODE_VARIABLES = [
  'NODE_OPTIONS', 'NODE_PATH', 'NODE_EXTRA_CA_CERTS', 'NODE_TLS_REJECT_UNAUTHORIZED', 'NODE_USE_SYSTEM_CA', 'NODE_USE_ENV_PROXY',
  'NODE_V8_COVERAGE', 'NODE_COMPILE_CACHE', 'NODE_REDIRECT_WARNINGS', 'NODE_DEBUG', 'NODE_DEBUG_NATIVE', 'NODE_ICU_DATA',
  'NODE_REPL_EXTERNAL_MODULE', 'NODE_PENDING_DEPRECATION', 'NODE_PRESERVE_SYMLINKS', 'NODE_PRESERVE_SYMLINKS_MAIN',
]

/**
 * The text of an executable.
 *
 * It works wherever the tree lies, also through symbolic links such as /usr/sbin/sendmail; POSTHORN_ARGV0 tells the
 * program the name it was called by. The system gives a script its path where a program would get the name as typed:
 * what is found in PATH is taken to have been typed without one. `node/bin/node` beside `dist/` comes before the one that npm installed.
 *
 * @param program Folder of the bundle beside `bin/`: `commands/postqueue`.
 */
export function launcher(program: string): string {
  return `#!/bin/sh
self=$0
case $self in */*) ;; *) self=$(command -v -- "$self") ;; esac
while [ -L "$self" ]; do
  link=$(readlink "$self")
  case $link in /*) self=$link ;; *) self=\${self%/*}/$link ;; esac
done
top=\${self%/*}/..
unset ${NODE_VARIABLES.join(' ')}
case :$PATH: in *:"\${0%/*}":*) POSTHORN_ARGV0=\${0##*/} ;; *) POSTHORN_ARGV0=$0 ;; esac
export POSTHORN_ARGV0
for node in "$top"/../node/bin/node "$top"/../node_modules/node-*/bin/node; do
  [ -x "$node" ] && exec "$node" ${NODE_FLAGS.join(' ')} "$top/${program}/main.js" "$@"
done
echo "\${0##*/}: the Node.js of this installation is missing; run: npm ci" >&2
exit 75
`
}
