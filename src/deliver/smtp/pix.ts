/**
 * Firewalls of a certain make mask the greeting with asterisks, know no EHLO, and
 * cannot take a final dot that comes in a packet of its own.
 *
 * Source: smtp_pix_workarounds in postconf(5).
 */
import type { Maps } from '#tables/maps.ts'
import { log } from '#system/log.ts'
import { splitAtChars } from '#util/split.ts'
import type { Session } from './session.ts'
import type { Settings } from './settings.ts'

/** Whether a greeting is one of theirs. */
export function isMasked(greeting: string): boolean {
  return /^[20 *\t\n]*$/.test(greeting)
}

/**
 * Turns on what smtp_pix_workarounds, or an entry of its maps, says.
 *
 * @param message `arrival` in milliseconds since 1970: the slow workaround is for mail that has waited.
 * @returns Whether HELO is to be used.
 */
export async function applyWorkarounds(
  session: Session, message: { readonly queueId: string; readonly arrival: number }, pix: Settings['pix'], maps: Maps,
): Promise<boolean> {
  const { endpoint, relay } = session
  const found = await maps.find(endpoint.kind === 'inet' ? endpoint.address : endpoint.path)
  const words = splitAtChars((found.kind === 'found' ? found.value : pix.words).toLowerCase())
  if (words.length === 0) return false
  const noEsmtp = words.includes('disable_esmtp')
  session.delayDot = words.includes('delay_dotcrlf') && Date.now() - message.arrival >= pix.threshold * 1000
  const enabled = [noEsmtp ? 'disable_esmtp' : '', session.delayDot ? 'delay_dotcrlf' : ''].filter(Boolean)
  log.info(`${message.queueId}: enabling PIX workarounds: ${enabled.join(' ')} for ${relay}`)
  return noEsmtp
}
