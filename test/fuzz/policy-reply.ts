/** Replies of policy servers: any bytes, in any pieces, give an action, an error, or the wish for more. */
import { parsePolicyReply, POLICY_REPLY_LENGTH_MAX } from '#access/policy-request.ts'

/** @throws {Error} When the verdict depends on the pieces, or waiting never ends. */
export function target(bytes: Uint8Array): void {
  const whole = parsePolicyReply(bytes)
  if (whole.kind === 'more' && bytes.length > POLICY_REPLY_LENGTH_MAX) {
    throw new Error('Cannot wait for a reply of any length')
  }
  for (let end = 0; end <= Math.min(bytes.length, 400); end++) {
    const part = parsePolicyReply(bytes.subarray(0, end))
    if (part.kind === 'ok' && whole.kind !== 'ok') throw new Error('Cannot take back an action')
    if (part.kind === 'ok' && part.action.includes('\n')) throw new Error('Cannot act on more than one line')
    if (part.kind !== 'more') return
  }
}
