/**
 * One line of help for each parameter of lmtp.ts; those that repeat another client's are made in help.ts.
 *
 * @module
 */
import type { LMTP_PARAMETERS } from '#config/parameters/lmtp.ts'

/** See the head of this file. */
export const LMTP_HELP: Partial<Record<keyof typeof LMTP_PARAMETERS, string>> = {
  lmtp_assume_final: 'Whether an LMTP delivery counts as final when the server has no DSN.',
  lmtp_discard_lhlo_keyword_address_maps: 'Tables with LHLO keywords to ignore, by server address.',
  lmtp_discard_lhlo_keywords: 'LHLO keywords of a server to ignore.',
  lmtp_lhlo_name: 'Name in the LHLO command.',
  lmtp_lhlo_timeout: 'Longest wait for the answer to LHLO.',
}
