/** The next hop of the error and retry services: a status code and a reason. */
import { parseStatus } from '#mail/status.ts'

/**
 * Splits `5.1.1 no such user`.
 *
 * @param service `retry` stands for a failure that may pass.
 */
export function parseErrorNexthop(nexthop: string, service: string): { status: string; reason: string } {
  const parsed = parseStatus(nexthop)
  const reason = (parsed ? parsed.rest : nexthop).trim()
  const status = parsed?.status ?? (service === 'retry' ? '4.0.0' : '5.0.0')
  return { status, reason: reason === '' ? 'Address is undeliverable' : reason }
}
