/**
 * `npm start`: a whole mail server below one folder, in the foreground, without root.
 *
 * The first start writes the configuration, makes a certificate and one account; later starts keep what is there.
 * POSTHORN_HOME names the folder, default `.posthorn` in the working directory. Ctrl-C lets what is at work end, then stops.
 *
 * @module
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { extname, join, resolve } from 'node:path'
import { userInfo } from 'node:os'
import { parseMasterCf } from '#config/master-cf.ts'
import { selfSignedCertificate } from '#network/certificate.ts'
import { sha512Hash } from '#network/sasl/passwords.ts'
import { changeUser } from '#network/sasl/password-file.ts'
import { errnoText } from '#system/errno.ts'
import { getgrgid, getgrnam, getpwnam, isRoot, type User } from '#system/users.ts'

const ROOT = join(import.meta.dirname, '../..')
const EXTENSION = extname(import.meta.filename)
const ACCOUNT = 'demo'
const DOMAIN = 'posthorn.localhost'
const SECRET_MODE = 0o600
const GROUP_READ = 0o040
const SETGID_GROUP = 'postdrop'
/** Whose rights the mail system takes when root starts it. */
const UNPRIVILEGED_USERS = ['postfix', 'nobody']
const FOLDERS = ['etc', 'spool', 'data', 'mail']

const FILES: Readonly<Record<string, string>> = {
  aliases: `# Names of this machine (localhost) and where their mail goes, as in aliases(5) but without colons: a texthash table.\npostmaster ${ACCOUNT}@${DOMAIN}\nroot ${ACCOUNT}@${DOMAIN}\n`,
  virtual: `# Addresses that are other addresses, as in virtual(5).\npostmaster@${DOMAIN} ${ACCOUNT}@${DOMAIN}\n`,
  vmailbox: `# Addresses and their Maildirs below mail/, as in virtual(8). A slash at the end makes a Maildir.\n${ACCOUNT}@${DOMAIN} ${ACCOUNT}/\n`,
}

/** The user that the workers run as: who starts this, or an unprivileged one for root. */
function mailOwner(): User {
  const { username, uid, gid, homedir, shell } = userInfo()
  if (!isRoot()) return { name: username, uid, gid, home: homedir, shell: shell ?? '', gecos: '' }
  const user = UNPRIVILEGED_USERS.map((name) => getpwnam(name)).find((found) => found !== undefined)
  if (!user) throw new Error(`Cannot start as root without a user to run as: make one of ${UNPRIVILEGED_USERS.join(', ')}`)
  return user
}

/** Writes a file that is not there. `reader`: whose group may read it, when that is not who starts this. */
function writeOnce(path: string, text: string, mode = 0o644, reader?: User): boolean {
  if (existsSync(path)) return false
  writeFileSync(path, text, { mode })
  if (isRoot() && reader) {
    chownSync(path, 0, reader.gid)
    chmodSync(path, mode | GROUP_READ)
  }
  return true
}

/** The group of maildrop: for root that of an installed mail system, which `postfix check` expects. */
function dropGroup(owner: User): string {
  const group = isRoot() ? getgrnam(SETGID_GROUP) : undefined
  return group?.name ?? getgrgid(owner.gid)?.name ?? String(owner.gid)
}

function template(name: string, home: string, owner: User): string {
  const values: Readonly<Record<string, string>> = {
    HOME: home, USER: owner.name, GROUP: dropGroup(owner), UID: String(owner.uid), GID: String(owner.gid),
  }
  return readFileSync(join(ROOT, 'conf/home', name), 'utf8').replaceAll(/@([A-Z]+)@/g, (all, key: string) => values[key] ?? all)
}

/** Makes what is missing of the folder. */
async function prepare(home: string, owner: User): Promise<void> {
  for (const name of FOLDERS) {
    mkdirSync(join(home, name), { recursive: true, mode: 0o755 })
    if (isRoot() && name !== 'spool' && name !== 'etc') chownSync(join(home, name), owner.uid, owner.gid)
  }
  const etc = join(home, 'etc')
  for (const name of ['main.cf', 'master.cf']) writeOnce(join(etc, name), template(name, home, owner))
  for (const [name, text] of Object.entries(FILES)) writeOnce(join(etc, name), text)
  if (!existsSync(join(etc, 'certificate.pem'))) {
    const { key, certificate } = await selfSignedCertificate([DOMAIN, 'localhost'])
    writeOnce(join(etc, 'key.pem'), key, SECRET_MODE)
    writeOnce(join(etc, 'certificate.pem'), certificate)
  }
  const password = randomBytes(9).toString('base64url')
  if (writeOnce(join(etc, 'demo-password'), `${password}\n`, SECRET_MODE)) {
    writeOnce(join(etc, 'passwd'), changeUser('', `${ACCOUNT}@${DOMAIN}`, sha512Hash(password)), SECRET_MODE, owner)
  }
}

/** The ports of etc/master.cf, whatever they are now. */
function ports(etc: string): { plain: string; submission: string; submissions: string } {
  const entries = parseMasterCf(readFileSync(join(etc, 'master.cf'), 'utf8'), join(etc, 'master.cf')).filter(({ type }) => type === 'inet')
  const find = (wanted: (overrides: ReadonlyMap<string, string>) => boolean): string =>
    entries.find(({ overrides }) => wanted(overrides))?.name ?? '(none)'
  return {
    plain: find((o) => !o.has('smtpd_sasl_auth_enable')),
    submission: find((o) => o.has('smtpd_sasl_auth_enable') && o.get('smtpd_tls_wrappermode') !== 'yes'),
    submissions: find((o) => o.get('smtpd_tls_wrappermode') === 'yes'),
  }
}

function introduce(home: string): void {
  const etc = join(home, 'etc')
  const { plain, submission, submissions } = ports(etc)
  const address = `${ACCOUNT}@${DOMAIN}`
  const password = existsSync(join(etc, 'demo-password')) ? readFileSync(join(etc, 'demo-password'), 'utf8').trim() : 'PASSWORD'
  const [host = '', port = ''] = submission.split(':')
  process.stdout.write(`
Posthorn runs below ${home}
  smtp         ${plain}
  submission   ${submission}   STARTTLS, then AUTH
  submissions  ${submissions}   TLS from the start, then AUTH
  account      ${address}   password ${password}

Send a message, in another terminal:
  swaks -s ${host} -p ${port} -tls -a PLAIN -au ${address} -ap '${password}' -f ${address} -t ${address}
  printf 'Subject: hello\\n\\nfirst mail\\n' | dist/bin/sendmail -C ${etc} ${address}      (after: npm run build)

It arrives in ${join(home, 'mail', ACCOUNT, 'new')}
What happens is in ${join(home, 'maillog')}; the queue: dist/bin/mailq -C ${etc}
Ctrl-C stops.

`)
}

/** Every folder on the way must let the workers through. */
function checkReachable(home: string): void {
  if (!isRoot()) return
  for (let path = home; path !== '/'; path = resolve(path, '..')) {
    if ((statSync(path).mode & 0o001) === 0) {
      throw new Error(`Cannot use ${home} as root: ${path} lets no other user in. Set POSTHORN_HOME, for example to /srv/posthorn`)
    }
  }
}

async function main(): Promise<number> {
  const home = resolve(process.env['POSTHORN_HOME'] ?? '.posthorn')
  const owner = mailOwner()
  mkdirSync(home, { recursive: true, mode: 0o755 })
  checkReachable(home)
  const first = readdirSync(home).length === 0
  await prepare(home, owner)
  if (first) process.stdout.write(`Wrote a configuration, a certificate and an account to ${home}\n`)
  const program = join(import.meta.dirname, `postfix/main${EXTENSION}`)
  // A group of its own: Ctrl-C must reach the mail system as an orderly stop, not as a signal to each worker.
  const child = spawn(process.execPath, [program, '-c', join(home, 'etc'), 'start-fg'], { stdio: 'inherit', detached: true })
  const stop = (): void => void child.kill('SIGTERM')
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  introduce(home)
  return new Promise((done) => child.on('exit', (status, signal) => done(status ?? (signal === 'SIGTERM' ? 0 : 1))))
}

try {
  process.exitCode = await main()
} catch (error) {
  process.stderr.write(`posthorn: ${error instanceof Error && !('code' in error) ? error.message : errnoText(error)}\n`)
  process.exitCode = 1
}
