/** Seeded mutations of byte strings: the same seed gives the same inputs. */

/** A generator of numbers from 0 up to, not including, `below`. */
export type Random = (below: number) => number

/** xorshift32: small, fast, and the same everywhere. */
export function randomFrom(seed: number): Random {
  let state = (seed | 0) || 1
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % Math.max(1, below)
  }
}

const BYTES_MAX = 65_536
const CHANGES_MAX = 6
/** What parsers of mail trip over. */
const TOKENS = [
  '\r\n', '\n', '\r', '\0', '\r\n.\r\n', '\n.\n', '..', '.', ':', ',', ';', '@', '<', '>', '"', '\\', '(', ')', '[', ']', '{', '}', '$', '${', '=', '%',
  '\u00ff', '\u0080', 'Ã¼', ' ', '\t', '-', '--', '/', '*', '!', '4294967295', '-1', '0', '99999999999999999999', 'Content-Type: multipart/mixed; boundary="x"\r\n',
]

/** One mutation of one of the inputs. */
export function mutate(corpus: readonly Uint8Array[], random: Random): Uint8Array {
  let bytes = Buffer.from(corpus[random(corpus.length)] ?? [])
  for (let changes = 1 + random(CHANGES_MAX); changes > 0; changes -= 1) bytes = change(bytes, corpus, random)
  return bytes.subarray(0, BYTES_MAX)
}

function change(bytes: Buffer<ArrayBuffer>, corpus: readonly Uint8Array[], random: Random): Buffer<ArrayBuffer> {
  const at = random(bytes.length + 1)
  const head = bytes.subarray(0, at)
  const tail = bytes.subarray(at)
  switch (random(7)) {
    case 0: return Buffer.concat([head, Buffer.from([random(256)]), tail])
    case 1: return Buffer.concat([head, tail.subarray(1 + random(8))])
    case 2: return Buffer.concat([head, Buffer.from(TOKENS[random(TOKENS.length)] ?? '', 'latin1'), tail])
    case 3: return Buffer.concat([head, Buffer.from(tail.map((byte, i) => (i === 0 ? byte ^ (1 << random(8)) : byte)))])
    case 4: return Buffer.concat([head, repeat(tail.subarray(0, 1 + random(16)), random(64)), tail])
    case 5: return Buffer.concat([head, Buffer.from(corpus[random(corpus.length)] ?? []).subarray(random(64))])
    default: return Buffer.from(head)
  }
}

function repeat(bytes: Uint8Array, times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => bytes))
}
