/**
 * A login that is refused, against a server that is no server: afterwards the driver has
 * loaded whatever it loads at its first use, which a worker in a chroot could not any more.
 *
 * Source: MySQL documentation, "Connection Phase": Handshake V10, AuthSwitchRequest, ERR_Packet.
 */
import { Duplex } from 'node:stream'
import type { ConnectionOptions, Connection } from 'mysql2'

const PLUGIN = 'mysql_native_password'
const SCRAMBLE = 'x'.repeat(20)

/** Protocol 4.1, the login of 4.1, and names of authentication plugins. */
const CAPABILITIES_LOW = 0x82_01
const CAPABILITIES_HIGH = 0x00_08
const UTF8_GENERAL = 33
const AUTOCOMMIT = 2
const ACCESS_DENIED = 1045

function packet(sequence: number, ...parts: readonly (string | readonly number[])[]): Buffer {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))))
  return Buffer.concat([Buffer.from([body.length, 0, 0, sequence]), body])
}

function low(number: number): readonly number[] {
  return [number & 0xff, number >> 8]
}

const greeting = (): Buffer => packet(
  0, [10], '8.0.0\0', [1, 0, 0, 0], SCRAMBLE.slice(0, 8), [0], low(CAPABILITIES_LOW), [UTF8_GENERAL], low(AUTOCOMMIT), low(CAPABILITIES_HIGH),
  [SCRAMBLE.length + 1], Array.from({ length: 10 }, () => 0), SCRAMBLE.slice(8), `\0${PLUGIN}\0`,
)
/** What follows each packet of the client: another way to log in, and a refusal. */
const replies = (): Buffer[] => [packet(2, [0xfe], `${PLUGIN}\0${SCRAMBLE}\0`), packet(4, [0xff], low(ACCESS_DENIED), '#28000no')]

/** The other end of the connection. */
function refusal(): Duplex {
  const waiting = replies()
  const stream = new Duplex({
    // Everything is pushed when it is time.
    read: () => undefined,
    write: (_chunk, _encoding, done) => {
      stream.push(waiting.shift() ?? null)
      done()
    },
  })
  return stream
}

/** Goes through a login with this driver. Never rejects. */
export async function warmUp(connect: (options: ConnectionOptions) => Connection): Promise<void> {
  const stream = refusal()
  const ended = Promise.withResolvers<void>()
  const connection = connect({ stream, user: 'u', password: 'p', database: 'd', charset: 'utf8mb4', connectTimeout: 1000 })
  connection.on('error', () => ended.resolve())
  connection.connect(() => ended.resolve())
  stream.push(greeting())
  await ended.promise
  connection.destroy()
}
