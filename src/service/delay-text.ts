/**
 * Delays as delivery lines show them: two significant digits, no more decimals than asked for.
 *
 * Source: postconf(5) delay_logging_resolution_limit.
 *
 * @module
 */

/** Times of one delivery, milliseconds since 1970. */
export type DeliveryTimes = {
  /** When the message came in. */
  readonly arrival: number
  /** When it entered the active queue. */
  readonly active: number
  /** When the agent got it. */
  readonly handoff: number
  /** When the connection was ready, or had failed; absent for agents without connections. */
  readonly setupDone?: number
  readonly done: number
}

/**
 * Seconds with two significant digits: `0`, `0.01`, `1.2`, `12`, `3600`.
 *
 * @param decimalsMax delay_logging_resolution_limit, 0 to 6.
 */
export function delayText(seconds: number, decimalsMax: number): string {
  if (!(seconds > 0)) return '0'
  let decimals = seconds >= 10 ? 0 : seconds >= 1 ? 1 : 2
  // Leading zeros after the point are not significant.
  for (let value = seconds; value < 0.1 && decimals < decimalsMax; value *= 10) decimals += 1
  const scale = 10 ** Math.min(decimals, decimalsMax)
  return String(Math.floor(seconds * scale + 0.5) / scale)
}

/** `delay=1.2, delays=0.1/0.01/0.5/0.6`: total; before the active queue, in it, connecting, transmitting. */
export function delaysText(times: DeliveryTimes, decimalsMax: number): string {
  const { arrival, active, handoff, done } = times
  const setup = times.setupDone ?? handoff
  const parts = [active - arrival, handoff - active, setup - handoff, done - setup]
  const text = (ms: number): string => delayText(ms / 1000, decimalsMax)
  return `delay=${text(done - arrival)}, delays=${parts.map(text).join('/')}`
}
