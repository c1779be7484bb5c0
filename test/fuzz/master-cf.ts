/** The text of master.cf: read or refused by master, and by postconf; what postconf writes of a service is read as the same. */
import assert from 'node:assert/strict'
import { formatService } from '#commands/postconf/layout.ts'
import { readService, type Service } from '#commands/postconf/service.ts'
import { ConfigError } from '#config/error.ts'
import { parseMasterCf, readMasterCf } from '#config/master-cf.ts'

const PLAIN = { fold: false, json: false, hideName: false, hideValue: false }

/** Takes `bytes` for master.cf. */
export function target(bytes: Uint8Array): void {
  const text = new TextDecoder().decode(bytes)
  tolerate(() => parseMasterCf(text, 'master.cf'))
  for (const line of readMasterCf(text)) tolerate(() => writeAgain(readService(line, 'master.cf', () => undefined)))
}

/** A service with unbalanced braces cannot be written; all others come back. */
function writeAgain(service: Service): void {
  const text = formatService(service, PLAIN)
  if (/[{}\n]/.test(text.trimEnd())) return
  const [again] = readMasterCf(text)
  assert.deepEqual(again === undefined ? undefined : { ...readService(again, 'master.cf', () => undefined), line: 0 }, { ...service, line: 0 })
}

function tolerate(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
  }
}
