/**
 * Result codes of LDAP in words, as OpenLDAP's ldap_err2string(3) has them.
 *
 * Source: RFC 4511 Appendix A.
 */

const TEXTS: ReadonlyMap<number, string> = new Map([
  [0, 'Success'], [1, 'Operations error'], [2, 'Protocol error'], [3, 'Time limit exceeded'], [4, 'Size limit exceeded'],
  [7, 'Authentication method not supported'], [8, 'Strong(er) authentication required'], [10, 'Referral'],
  [11, 'Administrative limit exceeded'], [12, 'Critical extension is unavailable'], [13, 'Confidentiality required'],
  [14, 'SASL bind in progress'], [16, 'No such attribute'], [17, 'Undefined attribute type'], [18, 'Inappropriate matching'],
  [32, 'No such object'], [33, 'Alias problem'], [34, 'Invalid DN syntax'], [36, 'Alias dereferencing problem'],
  [48, 'Inappropriate authentication'], [49, 'Invalid credentials'], [50, 'Insufficient access'], [51, 'Server is busy'],
  [52, 'Server is unavailable'], [53, 'Server is unwilling to perform'], [54, 'Loop detected'], [80, 'Other (e.g., implementation specific) error'],
  [-1, "Can't contact LDAP server"], [-5, 'Timed out'], [-7, 'Bad search filter'], [-16, 'Referral Limit Exceeded'],
])

/** The words for a result code; negative ones are errors on our side. */
export function resultText(status: number): string {
  return TEXTS.get(status) ?? 'Unknown error'
}
