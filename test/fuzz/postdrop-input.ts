/** Any bytes as the input of postdrop: it lets records through that pickup takes, or refuses the input in its own words. */
import { InputError, SubmissionInput } from '#commands/postdrop/input.ts'

const RECORDS_BYTES_MAX = 2048
const FORBIDDEN = new Set(Array.from('pLO>KDT', (c) => c.charCodeAt(0)))

/** The bytes come in two pieces, cut where they say. */
export function target(bytes: Uint8Array): void {
  let content = false
  const input = new SubmissionInput({
    record: (type, payload) => {
      if (type === 0x4d) content = true
      if (payload.length > RECORDS_BYTES_MAX) throw new Error(`Cannot be: a record of ${payload.length} bytes`)
      if (!content && FORBIDDEN.has(type)) throw new Error(`Cannot be: a record of type ${type}`)
      if (!content && (payload.includes(10) || payload.includes(0))) throw new Error('Cannot be: a line break in an envelope')
      // The end of the content is still part of it.
      if (type === 0x58) content = false
    },
    warn: () => undefined,
    warnInput: () => undefined,
  }, RECORDS_BYTES_MAX)
  const cut = bytes.length === 0 ? 0 : (bytes[0] ?? 0) % bytes.length
  try {
    input.push(bytes.subarray(0, cut))
    input.push(bytes.subarray(cut))
    input.end()
  } catch (error) {
    if (!(error instanceof InputError)) throw error
  }
}
