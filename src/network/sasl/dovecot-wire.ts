/**
 * Lines of Dovecot's authentication protocol.
 *
 * @module
 */
import type { SaslStep } from './server.ts'

/** A mechanism that the server offers, with its properties: `plaintext`, `anonymous`, … */
export type Mechanism = { readonly name: string; readonly properties: ReadonlySet<string> }

/** A reply to the dialogue `id`. */
export type DovecotReply = { readonly id: number; readonly step: SaslStep }

/** Which property a security option rules out. */
const EXCLUDING: ReadonlyMap<string, string> = new Map([
  ['noplaintext', 'plaintext'],
  ['noactive', 'active'],
  ['nodictionary', 'dictionary'],
  ['noanonymous', 'anonymous'],
])
/** Which property a security option demands. */
const DEMANDING: ReadonlyMap<string, string> = new Map([
  ['forward_secrecy', 'forward-secrecy'],
  ['mutual_auth', 'mutual-auth'],
])

/** Whether a mechanism may be offered under these security options. `private` ones are Dovecot's own. */
export function mechanismAllowed({ properties }: Mechanism, options: readonly string[]): boolean {
  if (properties.has('private')) return false
  return options.every((option) => {
    const excluded = EXCLUDING.get(option)
    const demanded = DEMANDING.get(option)
    return (excluded === undefined || !properties.has(excluded)) && (demanded === undefined || properties.has(demanded))
  })
}

/** The fields of a line, unescaped. */
export function splitFields(line: string): string[] {
  return line.split('\t').map(unescapeField)
}

function unescapeField(field: string): string {
  if (!field.includes('\u0001')) return field
  // eslint-disable-next-line no-control-regex -- 0x01 is the escape of Dovecot's protocol
  return field.replaceAll(/\u0001(.)/gs, (_all, c: string) => ESCAPED.get(c) ?? c)
}

const ESCAPED: ReadonlyMap<string, string> = new Map(
  [['0', '\0'], ['1', '\u0001'], ['t', '\t'], ['r', '\r'], ['n', '\n']],
)

/** Reads OK, FAIL and CONT; undefined for other lines. */
export function parseReply(line: string): DovecotReply | undefined {
  const [command, id, ...rest] = splitFields(line)
  const number = Number(id)
  if (!Number.isInteger(number) || number < 1) return undefined
  const value = (name: string): string | undefined => rest.find((field) => field.startsWith(`${name}=`))?.slice(
    name.length + 1,
  )
  const username = value('user')
  const known = username === undefined ? {} : { username }
  switch (command) {
    case 'CONT':
      return { id: number, step: { kind: 'challenge', data: rest[0] ?? '' } }
    case 'OK':
      // A login without a name is nothing that permissions could be tied to.
      if (username === undefined || username === '') {
        return { id: number, step: { kind: 'temporary', reason: 'Authentication backend error' } }
      }
      return { id: number, step: { kind: 'done', username } }
    case 'FAIL':
      // Also with `temp`: Postfix knows no difference here, and clients of both get the same reply.
      return { id: number, step: { kind: 'failed', reason: value('reason') ?? '', ...known } }
    default:
      return undefined
  }
}

/** Whether `text` has only characters of base64: anything else could add fields to a request. */
export function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}
