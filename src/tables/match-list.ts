/**
 * Match lists: mydestination, relay_domains, mynetworks, debug_peer_list and kin.
 *
 * Source: postconf(5), mynetworks, relay_domains, parent_domain_matches_subdomains, debug_peer_list.
 */
import { MatchList, type MatchListOptions, type MatchMode } from './match-patterns.ts'
import { openTable } from './open.ts'

export type { MatchList, MatchListOptions, MatchMode } from './match-patterns.ts'

/**
 * Opens a match list.
 *
 * @param title The parameter's name: for log lines and parent_domain_matches_subdomains.
 * @param patterns The parameter's value.
 */
export function openMatchList(title: string, patterns: string, mode: MatchMode, options: MatchListOptions): MatchList {
  return new MatchList({ title, patterns, mode, options, open: (spec) => openTable(spec, options) })
}
