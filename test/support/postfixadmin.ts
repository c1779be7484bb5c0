/**
 * A site run with PostfixAdmin: its tables, as far as mail looks at them, some domains and users,
 * and the table files that its documentation gives for each database.
 *
 * Source: PostfixAdmin, DOCUMENTS/POSTFIX_CONF.txt and the schema of its 3.3 series.
 */

export type Dialect = 'sqlite' | 'pgsql' | 'mysql'

/** What differs between the databases. */
const WORDS = {
  sqlite: { flag: 'tinyint(1)', yes: '1', no: '0', isActive: (name: string) => `${name} = '1'`, join: (...parts: string[]) => parts.join(' || ') },
  pgsql: { flag: 'boolean', yes: 'true', no: 'false', isActive: (name: string) => `${name} = true`, join: (...parts: string[]) => parts.join(' || ') },
  mysql: { flag: 'tinyint(1)', yes: '1', no: '0', isActive: (name: string) => `${name} = '1'`, join: (...parts: string[]) => `CONCAT(${parts.join(',')})` },
} as const

/** Statements that make the tables and fill them. */
export function postfixAdminSql(dialect: Dialect): string {
  const { flag, yes, no } = WORDS[dialect]
  const dates = "created varchar(30) NOT NULL DEFAULT '2000-01-01', modified varchar(30) NOT NULL DEFAULT '2000-01-01'"
  return `
CREATE TABLE domain (domain varchar(255) NOT NULL PRIMARY KEY, description varchar(255) NOT NULL, aliases int NOT NULL DEFAULT 0,
  mailboxes int NOT NULL DEFAULT 0, maxquota bigint NOT NULL DEFAULT 0, quota bigint NOT NULL DEFAULT 0, transport varchar(255) NOT NULL,
  backupmx ${flag} NOT NULL DEFAULT ${no}, ${dates}, active ${flag} NOT NULL DEFAULT ${yes});
CREATE TABLE alias (address varchar(255) NOT NULL PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL, ${dates}, active ${flag} NOT NULL DEFAULT ${yes});
CREATE TABLE alias_domain (alias_domain varchar(255) NOT NULL PRIMARY KEY, target_domain varchar(255) NOT NULL, ${dates}, active ${flag} NOT NULL DEFAULT ${yes});
CREATE TABLE mailbox (username varchar(255) NOT NULL PRIMARY KEY, password varchar(255) NOT NULL, name varchar(255) NOT NULL, maildir varchar(255) NOT NULL,
  quota bigint NOT NULL DEFAULT 0, local_part varchar(255) NOT NULL, domain varchar(255) NOT NULL, ${dates}, active ${flag} NOT NULL DEFAULT ${yes});
INSERT INTO domain (domain, description, transport, active) VALUES
  ('example.com', 'ours', 'virtual:', ${yes}), ('relay.example', 'behind us', 'relay:[192.0.2.1]', ${yes}), ('gone.example', 'no more', 'virtual:', ${no});
INSERT INTO mailbox (username, password, name, maildir, quota, local_part, domain, active) VALUES
  ('ann@example.com', '{CRYPT}x', 'Ann', 'example.com/ann/', 1024000, 'ann', 'example.com', ${yes}),
  ('o''hara@example.com', '{CRYPT}x', 'Scarlett', 'example.com/ohara/', 0, 'o''hara', 'example.com', ${yes}),
  ('left@example.com', '{CRYPT}x', 'Left', 'example.com/left/', 0, 'left', 'example.com', ${no});
INSERT INTO alias (address, goto, domain, active) VALUES
  ('ann@example.com', 'ann@example.com', 'example.com', ${yes}), ('o''hara@example.com', 'o''hara@example.com', 'example.com', ${yes}),
  ('team@example.com', 'ann@example.com,o''hara@example.com', 'example.com', ${yes}), ('old@example.com', 'ann@example.com', 'example.com', ${no}),
  ('@catchall.example', 'ann@example.com', 'catchall.example', ${yes});
INSERT INTO alias_domain (alias_domain, target_domain, active) VALUES
  ('example.net', 'example.com', ${yes}), ('all.example', 'catchall.example', ${yes}), ('off.example', 'example.com', ${no});
`
}

/**
 * The table files, by name.
 *
 * @param access The lines of each that say where the database is.
 */
export function postfixAdminFiles(dialect: Dialect, access: string): Readonly<Record<string, string>> {
  const { isActive, join } = WORDS[dialect]
  const file = (query: string): string => `${access}query = ${query}\n#expansion_limit = 100\n`
  const both = (table: string): string => `${isActive(`${table}.active`)} AND ${isActive('alias_domain.active')}`
  return {
    virtual_alias_maps: file(`SELECT goto FROM alias WHERE address='%s' AND ${isActive('active')}`),
    virtual_alias_domain_maps: file(`SELECT goto FROM alias,alias_domain WHERE alias_domain.alias_domain = '%d' and alias.address = ${join("'%u'", "'@'", 'alias_domain.target_domain')} AND ${both('alias')}`),
    virtual_alias_domain_catchall_maps: file(`SELECT goto FROM alias,alias_domain WHERE alias_domain.alias_domain = '%d' and alias.address = ${join("'@'", 'alias_domain.target_domain')} AND ${both('alias')}`),
    virtual_mailbox_domains: file(`SELECT domain FROM domain WHERE domain='%s' AND ${isActive('active')} AND NOT (transport LIKE 'smtp%%' OR transport LIKE 'relay%%')`),
    virtual_mailbox_maps: file(`SELECT maildir FROM mailbox WHERE username='%s' AND ${isActive('active')}`),
    virtual_alias_domain_mailbox_maps: file(`SELECT maildir FROM mailbox,alias_domain WHERE alias_domain.alias_domain = '%d' and mailbox.username = ${join("'%u'", "'@'", 'alias_domain.target_domain')} AND ${both('mailbox')}`),
    relay_domains: file(`SELECT domain FROM domain WHERE domain='%s' AND ${isActive('active')} AND (transport LIKE 'smtp%%' OR transport LIKE 'relay%%')`),
    transport_maps: file(`SELECT REPLACE(transport, 'virtual', ':') AS transport FROM domain WHERE domain='%s' AND ${isActive('active')}`),
    virtual_mailbox_limit_maps: file(`SELECT quota FROM mailbox WHERE username='%s' AND ${isActive('active')}`),
  }
}
