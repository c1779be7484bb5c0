/** The indexed file formats by the type of their tables. */
import { BERKELEY_BTREE } from './berkeley/btree-write.ts'
import { BERKELEY_HASH } from './berkeley/hash-write.ts'
import { CDB } from './cdb.ts'
import { LMDB } from './lmdb/write.ts'
import { SDBM } from './sdbm.ts'
import type { StoreFormat } from './store.ts'

const FORMATS: ReadonlyMap<string, StoreFormat> = new Map([
  ['btree', BERKELEY_BTREE],
  ['cdb', CDB],
  ['hash', BERKELEY_HASH],
  ['lmdb', LMDB],
  ['sdbm', SDBM],
])

/** The format of tables of this type; `undefined` for types that are no indexed files. */
export function storeFormat(type: string): StoreFormat | undefined {
  return FORMATS.get(type)
}
