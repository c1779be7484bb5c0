/** Answers of name servers, as src/network/dns reads them: any bytes give a verdict, none throws. */
import { decodeAnswer } from '#network/dns/message.ts'
import { readAddress, readHost, readMx, readSrv, readTlsa, readTxt } from '#network/dns/records.ts'
import type { RecordType } from '#network/dns/types.ts'

const READERS = {
  MX: readMx, A: readAddress, AAAA: readAddress, PTR: readHost, TXT: readTxt, CNAME: readHost, SRV: readSrv, TLSA: readTlsa, NS: readHost,
} as const satisfies Record<RecordType, unknown>

const TYPES: readonly RecordType[] = ['MX', 'A', 'AAAA', 'PTR', 'TXT', 'CNAME', 'SRV', 'TLSA', 'NS']

/** Takes `bytes` for the answer to a question of every type, under the id that they carry. */
export function target(bytes: Uint8Array): void {
  const id = ((bytes[0] ?? 0) << 8) | (bytes[1] ?? 0)
  for (const type of TYPES) {
    const answer = decodeAnswer(bytes, { id, name: 'example.com', type, dnssec: false })
    if (answer.kind !== 'answer') continue
    for (const { data } of answer.records) READERS[type](data)
  }
}
