/**
 * The format of the intake journal, version 1.
 *
 * A segment is a preallocated file: a header of 64 bytes, then entries, each at a multiple of 64 bytes, then zeros or
 * what an earlier use of the file left. All numbers are little-endian.
 *
 *   header: "PHJRNL1\n", generation (u64), start of use in milliseconds (u64), CRC-32 of these 24 bytes (u32), zeros
 *   entry:  magic (u32), length of the body (u32), CRC-32 of length and body, seeded by the generation (u32), body
 *   body:   kind (u8), length of the queue id (u8), queue (u8), 0 (u8), creation seconds (u32), queue id; for a message
 *           then the bytes of its queue file
 *
 * The generation is new whenever the file is used again, so that entries of an earlier use do not count. A reader
 * takes entries up to the first one that is not whole; whole ones after that mean damage, and count too.
 *
 * @module
 */
import { crc32 } from 'node:zlib'
import type { QueueId } from '../queue-id-type.ts'
