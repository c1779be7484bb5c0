/**
 * Port numbers by name, for machines whose services database lacks them or has others.
 *
 * Source: postconf(5), known_tcp_ports.
 */
import { splitAtChars } from './split.ts'

/** Reads known_tcp_ports: `name=name=number` items, into numbers by name in lower case. Malformed items are passed over. */
export function parseKnownPorts(text: string): Map<string, number> {
  const ports = new Map<string, number>()
  for (const item of splitAtChars(text)) {
    const names = item.split('=')
    const port = Number(names.pop())
    if (Number.isInteger(port)) for (const name of names) ports.set(name.toLowerCase(), port)
  }
  return ports
}
