/**
 * postkick: sends a request to a service of the mail system.
 *
 *     postkick [-c config_dir] [-v] class service request
 *
 * Talks to:     the socket or named pipe `class/service` in the queue directory (public or private).
 * Privileges:   those of the caller, who must be able to reach the socket.
 * Diagnostics:  exit status 1 when the service cannot be reached.
 *
 * @module
 */
import { fatal, parseOrUsage, runCommand } from '#commands/getopt.ts'
import { enterQueue } from '#commands/queue-owner.ts'
import { loadTrustedConfig } from '#commands/setgid.ts'
import { openProgramLog } from '#service/logging.ts'
import { sendTrigger } from '#service/trigger.ts'
import { errnoText } from '#system/errno.ts'
import { setLog } from '#system/log.ts'

const PROGRAM = 'postkick'
const USAGE = 'usage: postkick [-c config_dir] [-v] class service request'

/** Runs the command. @throws {CommandExit} */
export async function main(argv: readonly string[]): Promise<number> {
  const { options, operands } = parseOrUsage(PROGRAM, 'c:v', argv, { usage: USAGE, exitCode: 1 })
  const [group, service, request, ...more] = operands
  if (group === undefined || service === undefined || request === undefined || more.length > 0) fatal(PROGRAM, USAGE)
  const config = loadTrustedConfig(PROGRAM, options.findLast(([letter]) => letter === 'c')?.[1])
  const log = openProgramLog(config, { program: PROGRAM, stderr: PROGRAM, verbose: options.some(([letter]) => letter === 'v') })
  setLog(log)
  const path = `${group}/${service}`
  enterQueue(config, (text) => fatal(PROGRAM, text))
  try {
    await sendTrigger(path, request, config.time('application_event_drain_time') * 1000)
    return 0
  } catch (error) {
    log.warning(`unable to look up ${path}: ${errnoText(error)}`)
    log.warning(`Cannot contact class ${group} service ${service} - perhaps the mail system is down`)
    log.flush()
    return 1
  }
}

if (import.meta.main) runCommand(main)
