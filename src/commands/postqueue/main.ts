/**
 * postqueue: shows the queue, and asks for delivery.
 *
 * Talks to:    showq (listing); qmgr and pickup (triggers); flush (one destination, one message).
 * Reads:       the queue itself, when the mail system is down and the caller is root or its owner.
 * Privileges:  set-gid to the group that may use the public sockets; anyone may call it.
 * Diagnostics: on standard error and in the log; every failure is exit status 69.
 *
 * @module
 */
import { runCommand } from '#commands/getopt.ts'
import { postqueue } from './run.ts'

if (import.meta.main) runCommand((argv) => postqueue(argv))
