/**
 * smtpd_milters and milter_default_action as data.
 *
 * @module
 */
import { asciiLower } from '#util/ascii.ts'
import { splitAtChars, splitOutsideBraces, stripBraces } from '#util/split.ts'

/** What is done in place of what the filters would say. */
export type MilterAction = 'accept' | 'reject' | 'tempfail' | 'quarantine' | 'shutdown'

const ACTIONS: readonly MilterAction[] = ['accept', 'reject', 'tempfail', 'quarantine', 'shutdown']

/** The filters of a service, and what is done without them; undefined: there are none. */
export type Milters = { readonly names: readonly string[]; readonly action: MilterAction } | undefined

/**
 * Reads smtpd_milters: `inet:host:port`, or `{ inet:host:port, default_action = accept }`. The first filter whose
 * action is not `accept` decides.
 *
 * @param fallback milter_default_action; a word that is no action counts as `tempfail`.
 */
export function readMilters(text: string, fallback: string): Milters {
  const filters = splitOutsideBraces(text).map((item) => {
    const inner = item.startsWith('{') ? stripBraces(item) : undefined
    const words = inner?.kind === 'ok' ? splitAtChars(inner.text.replaceAll(/\s*=\s*/g, '=')) : [item]
    const own = words.find((word) => word.startsWith('default_action='))?.slice('default_action='.length)
    return { name: words[0] ?? item, action: actionOf(own ?? fallback) }
  })
  if (filters.length === 0) return undefined
  const action = filters.find((filter) => filter.action !== 'accept')?.action ?? 'accept'
  return { names: filters.map(({ name }) => name), action }
}

function actionOf(text: string): MilterAction {
  return ACTIONS.find((action) => action === asciiLower(text)) ?? 'tempfail'
}
