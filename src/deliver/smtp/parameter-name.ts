/** The two names of a parameter: smtp_X for smtp, lmtp_X for lmtp. */

/** Gives the name of the parameter with this ending. */
export type ParameterNames = <const S extends string>(suffix: S) => `smtp_${S}` | `lmtp_${S}`

/** The parameters of one of the two. */
export function parameterNames(lmtp: boolean): ParameterNames {
  return (suffix) => (lmtp ? `lmtp_${suffix}` : `smtp_${suffix}`)
}
