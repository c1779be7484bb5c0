/**
 * nis: maps of the Network Information Service.
 *
 * The built-in alias_maps names one, so that a site with NIS needs no setting. On a machine that has no NIS domain
 * such a map is empty; where there is a domain it can't be asked by this version, and every lookup is an error.
 *
 * Source: DATABASE_README; domainname(1).
 */
import { readFileSync } from 'node:fs'
import { log } from '#system/log.ts'
import { ABSENT, TableOpenError, type OpenRequest, type Table } from './table.ts'

const DOMAIN_FILE = '/proc/sys/kernel/domainname'
let warned = false

/** The NIS domain of this machine; empty when it has none. */
function nisDomain(): string {
  try {
    const name = readFileSync(DOMAIN_FILE, 'utf8').trim()
    return name === '(none)' ? '' : name
  } catch {
    return ''
  }
}

/** Opens `nis:map`. @throws {TableOpenError} The machine has a NIS domain. */
export function openNis({ spec }: OpenRequest, domain = nisDomain()): Table {
  if (domain !== '') throw new TableOpenError(`unsupported dictionary type: nis (this version of Posthorn cannot ask domain ${domain})`)
  if (!warned) log.warning('dict_nis_init: NIS domain name not set - NIS lookups disabled')
  warned = true
  return { name: spec, pattern: false, lookup: () => ABSENT, close() {} }
}
