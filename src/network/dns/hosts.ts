/**
 * hosts(5): names of addresses and addresses of names, from one small file.
 *
 * The file is read again when it has changed, looked at once in a few seconds.
 */
import { readFileSync, statSync } from 'node:fs'
import { isIP } from 'node:net'
import { canonicalAddress } from './hostname.ts'

/** How old the knowledge of the file may be. */
const CHECK_INTERVAL_MS = 5000

/** Both directions of a hosts file. */
export type Hosts = {
  readonly names: ReadonlyMap<string, readonly string[]>
  readonly addresses: ReadonlyMap<string, readonly string[]>
}

/** Reads the text of a hosts file; lines that make no sense are skipped. */
export function parseHosts(text: string): Hosts {
  const names = new Map<string, string[]>()
  const addresses = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const [address, ...words] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (address === undefined || isIP(address) === 0) continue
    // The first line of an address gives its name, as getnameinfo() has it.
    append(names, canonicalAddress(address), words)
    for (const word of words) append(addresses, word.toLowerCase(), [address])
  }
  return { names, addresses }
}

function append(map: Map<string, string[]>, key: string, values: readonly string[]): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [...values])
  else list.push(...values)
}

/** A hosts file that follows its changes. An unreadable one counts as empty. */
export function openHosts(path: string): () => Hosts {
  let hosts = parseHosts('')
  let version = ''
  let checkedAt = -Infinity
  return () => {
    const now = performance.now()
    if (now - checkedAt < CHECK_INTERVAL_MS) return hosts
    checkedAt = now
    const latest = versionOf(path)
    if (latest !== version) {
      version = latest
      hosts = parseHosts(latest === '' ? '' : textOf(path))
    }
    return hosts
  }
}

/** Text of the file at `path`; empty when it cannot be read. */
export function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** What changes when the file does; empty when it is not there. */
export function versionOf(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stat === undefined ? '' : `${stat.ino}/${stat.size}/${stat.mtimeNs}`
}
