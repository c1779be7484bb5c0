/**
 * Pages of LMDB files (data format 1, 64-bit): what readers and writers share.
 *
 * A page starts with 16 bytes: page number (8), unused (2), flags (2), and
 * either the bounds of the free space (2 + 2) or the number of pages of a big
 * value (4). Leaves and branches then have 16-bit offsets of their nodes.
 * Numbers have the byte order of the machine; only little-endian is read.
 *
 * Source: LMDB 0.9 (lmdb.h and the layout of its files, as observed).
 */
export const HEADER_SIZE = 16
export const NODE_HEADER_SIZE = 8
export const MAGIC = 0xbeefc0de
export const FORMAT_VERSION = 1

/** Flags of a page. */
export const PAGE_FLAG = { branch: 1, leaf: 2, overflow: 4, meta: 8 } as const

/** Flag of a leaf's node whose value is on pages of its own. */
export const BIG_DATA = 1

/** "No page": the root of an empty tree. */
export const NO_PAGE = 0xffffffffffffffffn

/** Where things are in a meta page; each of the two trees takes 48 bytes. */
export const META = {
  magic: 16,
  version: 20,
  mapSize: 32,
  /** The tree of free pages; its first word is the page size, its flags those of the file. */
  free: 40,
  main: 88,
  lastPage: 136,
  transaction: 144,
} as const

/** Where things are in the description of a tree. */
export const TREE = { pageSize: 0, flags: 4, depth: 6, branches: 8, leaves: 16, overflows: 24, entries: 32, root: 40 } as const
