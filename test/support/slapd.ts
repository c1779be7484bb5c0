/** OpenLDAP's server with the directory of a small site: people with mailboxes and aliases, groups of them. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { daemonFolder, programAbsent, startDaemonIn, systemUser, type Daemon } from './daemon.ts'
import { freePorts } from './ports.ts'

/** A directory that runs. */
export type Slapd = Daemon & {
  readonly port: number
  /** For TLS from the start, when there is a certificate. */
  readonly securePort: number
  /** Path of the socket, and as a URL. */
  readonly socket: string
  readonly socketUrl: string
  /** Its folder; files of tables may be written there. */
  readonly path: string
}

/** The name and password of who may read all. */
export const READER = { dn: 'cn=reader,dc=example,dc=com', password: 'pass word' } as const

const PROGRAM = '/usr/sbin/slapd'
const ATTRIBUTES = ['mailacceptinggeneralid', 'maildrop', 'memberaddr', 'memberurl', 'mailbox']

function configuration(path: string, tls: string): string {
  const attributes = ATTRIBUTES.map((name, i) =>
    `attributetype ( 1.3.6.1.4.1.55555.1.${i + 1} NAME '${name}' EQUALITY caseIgnoreMatch SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )`)
  return `
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
pidfile ${path}/slapd.pid
${attributes.join('\n')}
attributetype ( 1.3.6.1.4.1.55555.1.90 NAME 'memberdn' SUP distinguishedName )
objectclass ( 1.3.6.1.4.1.55555.2.1 NAME 'mailThing' SUP top AUXILIARY MAY ( mail $ memberdn $ ${ATTRIBUTES.join(' $ ')} ) )
${tls}
database mdb
suffix "dc=example,dc=com"
rootdn "${READER.dn}"
rootpw "${READER.password}"
directory ${path}/db
maxsize 20971520
index mail,mailacceptinggeneralid,objectClass eq
access to dn.subtree="ou=secret,dc=example,dc=com" by * none
access to * by * read
`
}

/** Paths of a certificate and its key, for TLS; `clients`: the authority that certificates of clients must be of. */
export type SlapdCertificate = { readonly cert: string; readonly key: string; readonly clients?: string }

/** Starts one with the entries of `ldif`. */
export async function startSlapd(ldif: string, certificate?: SlapdCertificate): Promise<Slapd> {
  const user = systemUser('openldap')
  const folder = daemonFolder(user, 'db')
  const { path } = folder
  const [port = 0, securePort = 0] = await freePorts(2)
  const socket = join(path, 'ldapi')
  const tls = certificate === undefined ? '' : [
    `TLSCertificateFile ${certificate.cert}`, `TLSCertificateKeyFile ${certificate.key}`, `TLSCACertificateFile ${certificate.clients ?? certificate.cert}`,
    ...(certificate.clients === undefined ? [] : ['TLSVerifyClient demand']),
  ].join('\n')
  writeFileSync(join(path, 'slapd.conf'), configuration(path, tls))
  writeFileSync(join(path, 'data.ldif'), ldif)
  execFileSync('/usr/sbin/slapadd', ['-f', join(path, 'slapd.conf'), '-l', join(path, 'data.ldif')], { ...user, stdio: 'pipe' })
  const socketUrl = `ldapi://${encodeURIComponent(socket)}`
  const urls = [`ldap://127.0.0.1:${port}`, socketUrl, ...(certificate === undefined ? [] : [`ldaps://127.0.0.1:${securePort}`])]
  return startDaemonIn(folder, {
    command: PROGRAM, args: ['-d', '0', '-f', join(path, 'slapd.conf'), '-h', urls.join(' ')],
    ready: { host: '127.0.0.1', port }, ...(user === undefined ? {} : { user }),
  }, { port, securePort, socket, socketUrl, path })
}

/** Why there is no directory to test with. */
export function slapdAbsent(): string | undefined {
  return programAbsent(PROGRAM)
}
