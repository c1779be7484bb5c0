/**
 * The command line of a pipe service: `flags= user= directory= eol= size= null_sender= argv=…`.
 *
 * Source: pipe(8).
 *
 * @module
 */
import type { Identity } from '#system/as-user.ts'
import { getgrnam, getpwnam } from '#system/users.ts'

export type PipeSettings = {
  /** Letters of pipe(8): B D F O R X h u q . > */
  readonly flags: ReadonlySet<string>
  readonly owner: Identity
  readonly directory: string
  readonly eol: string
  /** Bytes a message may have; 0 is no limit. */
  readonly sizeMax: number
  /** What ${sender} is for the null sender. */
  readonly nullSender: string
  readonly argv: readonly string[]
}

const FLAGS = 'BDFORXhuq.>'
const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '\\': '\\',
}

/**
 * Reads the words of master.cf after the options.
 *
 * @param guarded Root and mail_owner, when this process could take their rights: no command has their user or group.
 * @throws {Error} With Postfix's words for what is wrong.
 */
export function parsePipeWords(
  words: readonly string[], service: string, guarded: readonly Identity[],
): PipeSettings {
  const argvAt = words.findIndex((word) => word.startsWith('argv='))
  const options = new Map(words.slice(0, argvAt < 0 ? words.length : argvAt).map((word) => splitOption(word, service)))
  const argv = argvAt < 0 ? [] : [(words[argvAt] ?? '').slice('argv='.length), ...words.slice(argvAt + 1)]
  if ((argv[0] ?? '') === '') throw new Error(`service ${service}: missing argv= command-line attribute`)
  const size = options.get('size') ?? '0'
  if (!/^\d+$/.test(size)) throw new Error(`service ${service}: bad size= value: ${size}`)
  return {
    flags: new Set(parseFlags(options.get('flags') ?? '', service)),
    owner: parseUser(options.get('user'), service, guarded),
    directory: options.get('directory') ?? '',
    eol: unescape(options.get('eol') ?? '\\n'),
    sizeMax: Number(size),
    nullSender: options.get('null_sender') ?? 'MAILER-DAEMON',
    argv,
  }
}

const OPTIONS = new Set(['flags', 'user', 'directory', 'eol', 'size', 'null_sender', 'chroot'])

function splitOption(word: string, service: string): [string, string] {
  const at = word.indexOf('=')
  const name = at < 0 ? word : word.slice(0, at)
  if (at < 0 || !OPTIONS.has(name)) throw new Error(`service ${service}: unknown attribute: ${word}`)
  if (name === 'chroot') throw new Error(`service ${service}: chroot= is not available in this version of Posthorn`)
  return [name, word.slice(at + 1)]
}

function parseFlags(text: string, service: string): string[] {
  const unknown = Array.from(text).find((flag) => !FLAGS.includes(flag) && flag !== ',' && flag !== ' ')
  if (unknown !== undefined) throw new Error(`service ${service}: unknown flag: ${unknown}`)
  return Array.from(text)
}

function parseUser(text: string | undefined, service: string, guarded: readonly Identity[]): Identity {
  if (text === undefined || text === '') throw new Error(`service ${service}: missing user= command-line attribute`)
  const [name = '', groupName = ''] = text.split(':')
  const user = getpwnam(name)
  if (!user) throw new Error(`service ${service}: unknown username: ${name}`)
  const group = groupName === '' ? undefined : getgrnam(groupName)
  if (groupName !== '' && !group) throw new Error(`service ${service}: unknown group: ${groupName}`)
  const gid = group?.gid ?? user.gid
  const refuse = (what: string): never => {
    throw new Error(`service ${service}: user= command-line attribute specifies ${what}`)
  }
  for (const each of guarded) {
    if (each.uid === user.uid) refuse(each.uid === 0 ? 'root privileges' : 'mail system owner')
    if (each.gid === gid) refuse(each.gid === 0 ? 'privileged group id 0' : `mail system owner's group id ${gid}`)
  }
  return { uid: user.uid, gid }
}

function unescape(text: string): string {
  return text.replaceAll(/\\([abfnrtv\\]|[0-7]{1,3})/g, (_all, code: string) =>
    ESCAPES[code] ?? String.fromCharCode(Number.parseInt(code, 8)))
}
