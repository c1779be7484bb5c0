/**
 * The command line of a pipe service: `flags= user= directory= eol= size= null_sender= argv=…`.
 *
 * Source: pipe(8).
 *
 * @module
 */
import type { Config } from '#config/config.ts'
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

/** Whose rights no command gets. A group has no `uid`. */
export type Guarded = { readonly uid?: number; readonly gid: number; readonly userText: string; readonly groupText: string }

/** The users and groups of the mail system itself, and root. */
export function guardedUsers(config: Config): Guarded[] {
  const owner = config.str('mail_owner')
  const group = config.str('setgid_group')
  const ownerUser = getpwnam(owner)
  const sharedGroup = getgrnam(group)
  return [
    { uid: 0, gid: 0, userText: 'root privileges', groupText: 'privileged group id 0' },
    ...(ownerUser === undefined ? [] : [{
      uid: ownerUser.uid, gid: ownerUser.gid,
      userText: `mail system owner ${owner}`, groupText: `mail system owner ${owner} group id ${ownerUser.gid}`,
    }]),
    ...(sharedGroup === undefined ? [] : [{
      gid: sharedGroup.gid, userText: '', groupText: `mail system ${group} group id ${sharedGroup.gid}`,
    }]),
  ]
}

/**
 * Reads the words of master.cf after the options.
 *
 * @param guarded Root, mail_owner and setgid_group, when this process could take their rights.
 * @throws {Error} With Postfix's words for what is wrong.
 */
export function parsePipeWords(
  words: readonly string[], service: string, guarded: readonly Guarded[],
): PipeSettings {
  const argvAt = words.findIndex((word) => /^argv=/i.test(word))
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
  const name = (at < 0 ? word : word.slice(0, at)).toLowerCase()
  if (at < 0 || !OPTIONS.has(name)) throw new Error(`service ${service}: unknown attribute: ${word}`)
  if (name === 'chroot') throw new Error(`service ${service}: chroot= is not available in this version of Posthorn`)
  return [name, word.slice(at + 1)]
}

function parseFlags(text: string, service: string): string[] {
  const unknown = Array.from(text).find((flag) => !FLAGS.includes(flag) && flag !== ',' && flag !== ' ')
  if (unknown !== undefined) throw new Error(`service ${service}: unknown flag: ${unknown}`)
  return Array.from(text)
}

function parseUser(text: string | undefined, service: string, guarded: readonly Guarded[]): Identity {
  if (text === undefined || text === '') throw new Error(`service ${service}: missing user= command-line attribute`)
  const [name = '', groupName = ''] = text.split(':')
  const user = getpwnam(name)
  if (!user) throw new Error(`service ${service}: unknown username: ${name}`)
  const group = groupName === '' ? undefined : getgrnam(groupName)
  if (groupName !== '' && !group) throw new Error(`service ${service}: unknown group: ${groupName}`)
  const gid = group?.gid ?? user.gid
  const refused = guarded.find((each) => each.uid === user.uid)?.userText ?? guarded.find((each) => each.gid === gid)?.groupText
  if (refused !== undefined) throw new Error(`service ${service}: user= command-line attribute specifies ${refused}`)
  return { uid: user.uid, gid }
}

function unescape(text: string): string {
  return text.replaceAll(/\\([abfnrtv\\]|[0-7]{1,3})/g, (_all, code: string) =>
    ESCAPES[code] ?? String.fromCharCode(Number.parseInt(code, 8)))
}
