/** The configurations of test/fixtures/sites as running mail systems, in a folder of their own and on free ports. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { siteFiles } from './postconf.ts'
import { createSystem, freePort, type MailSystem } from './system.ts'

/** What has to differ from the site's own: places, users, and where the log is. */
const OWN_NAMES = ['queue_directory', 'data_directory', 'mail_owner', 'setgid_group', 'maillog_file', 'maillog_file_prefixes', 'posthorn_dns_servers'] as const

/** A site that has not been started, and the ports of its Internet services by the name in its master.cf. */
export type SiteSystem = { readonly system: MailSystem; readonly ports: ReadonlyMap<string, number> }

/** Lays out the site `name` of test/fixtures/sites: its folder stands for /etc/postfix, its listeners move to the loopback. */
export async function createSiteSystem(name: string): Promise<SiteSystem> {
  const system = await createSystem()
  const own = readFileSync(join(system.etc, 'main.cf'), 'utf8').split('\n').filter((line) => OWN_NAMES.some((one) => line.startsWith(`${one} =`)))
  const files = siteFiles(name)
  const ports = new Map<string, number>()
  const master = await withFreePorts(files['master.cf'] ?? '', ports)
  const postlog = /^postlog\s/m.test(master) ? '' : 'postlog unix-dgram n - n - 1 postlogd\n'
  const main = `${files['main.cf']}\n${own.join('\n')}\ninet_interfaces = 127.0.0.1\n`
  for (const [path, text] of Object.entries({ ...files, 'main.cf': main, 'master.cf': master + postlog })) {
    mkdirSync(dirname(join(system.etc, path)), { recursive: true })
    writeFileSync(join(system.etc, path), text.replaceAll('/etc/postfix/', `${system.etc}/`))
  }
  await buildTables(system, main + master)
  return { system, ports }
}

/** Makes the indexed files of the tables that the configuration names. */
async function buildTables(system: MailSystem, text: string): Promise<void> {
  const tables = new Set(text.matchAll(/\b(?:hash|btree|lmdb|cdb):\/etc\/postfix\/[\w./-]+/g).map(([table]) => table))
  for (const table of tables) {
    const command = table.endsWith('/aliases') ? 'postalias' : 'postmap'
    const { status, stderr } = await system.command(command, [table.replace('/etc/postfix/', `${system.etc}/`)])
    if (status !== 0) throw new Error(`${command} ${table}: ${stderr}`)
  }
}

async function withFreePorts(master: string, ports: Map<string, number>): Promise<string> {
  for (const [, service = ''] of master.matchAll(/^([^#\s]\S*)[ \t]+inet[ \t]/gm)) ports.set(service, await freePort())
  return master.replaceAll(/^([^#\s]\S*)(?=[ \t]+inet[ \t])/gm, (service) => `127.0.0.1:${ports.get(service)}`)
}
