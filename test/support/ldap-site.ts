/** The directory of a small site: people with mailboxes and aliases, groups by names and by searches. */

type Entry = Readonly<Record<string, string | readonly string[]>>

const BASE = 'dc=example,dc=com'

function ldif(dn: string, entry: Entry): string {
  const lines = Object.entries(entry).flatMap(([name, values]) => (typeof values === 'string' ? [values] : values).map((value) =>
    /^[ :<]|[^ -~]/.test(value) ? `${name}:: ${Buffer.from(value).toString('base64')}` : `${name}: ${value}`))
  return [`dn: ${dn}`, ...lines, ''].join('\n')
}

function person(name: string, values: Entry): string {
  return ldif(`cn=${name},ou=people,${BASE}`, { objectClass: ['inetOrgPerson', 'mailThing'], cn: name, sn: name, ...values })
}

const people = (name: string): string => `cn=${name},ou=people,${BASE}`

/** Its entries. */
export const SITE_LDIF = [
  ldif(BASE, { objectClass: ['dcObject', 'organization'], o: 'Example', dc: 'example' }),
  ldif(`ou=people,${BASE}`, { objectClass: 'organizationalUnit', ou: 'people' }),
  ldif(`ou=secret,${BASE}`, { objectClass: 'organizationalUnit', ou: 'secret' }),
  ldif(`ou=domains,${BASE}`, { objectClass: 'organizationalUnit', ou: 'domains' }),
  ldif(`ou=example.org,ou=domains,${BASE}`, { objectClass: ['organizationalUnit', 'mailThing'], ou: 'example.org', mailacceptinggeneralid: 'info', maildrop: 'info-drop' }),
  ldif(`ou=away,${BASE}`, { objectClass: ['referral', 'extensibleObject'], ou: 'away', ref: `ldap://127.0.0.1:1/ou=away,${BASE}` }),
  person('alice', {
    mail: 'alice@example.com', mailacceptinggeneralid: ['alice', 'a.lice@example.com', 'both'], mailbox: 'example.com/alice/',
    maildrop: ['alice@box1.example.com', 'alice@box2.example.com'],
  }),
  person('bob', { mail: 'bob@example.com', mailacceptinggeneralid: ['bob', 'both'], maildrop: 'bob@box1.example.com', mailbox: 'example.com/bob/' }),
  person('Zoë (x) *', { mail: 'zoë@example.com', mailacceptinggeneralid: ['zoë', 'par(en)s', 'st*r', 'back\\slash', 'blank s'], maildrop: 'zoe@box1.example.com' }),
  person('empty', { mailacceptinggeneralid: 'empty' }),
  person('odd', { mailacceptinggeneralid: 'odd', maildrop: ['plain', '@nolocal', 'x@y', 'two words'] }),
  person('staff', {
    mail: 'staff@example.com', mailacceptinggeneralid: 'staff', memberaddr: 'guest@else.example', memberdn: [people('alice'), people('bob'), people('gone')],
  }),
  person('nested', { mail: 'nested@example.com', mailacceptinggeneralid: 'nested', memberdn: [people('staff'), people('bob')], maildrop: 'unused@example.com' }),
  person('routed', { mail: 'routed@example.com', mailacceptinggeneralid: ['routed', 'mixed'], maildrop: 'routed@lists.example', memberdn: people('alice'), memberaddr: 'no@else.example' }),
  person('unrouted', { mailacceptinggeneralid: 'mixed', memberaddr: 'yes@else.example', memberdn: people('bob') }),
  person('leader', { mail: 'leader@example.com', mailacceptinggeneralid: 'team', memberdn: people('alice') }),
  person('follower', { mail: 'follower@example.com', mailacceptinggeneralid: 'team' }),
  ldif(people('nick'), { objectClass: ['alias', 'extensibleObject'], cn: 'nick', aliasedObjectName: people('bob') }),
  person('round', { mailacceptinggeneralid: 'round', memberdn: people('round') }),
  person('byurl', { mailacceptinggeneralid: 'byurl', memberurl: `ldap:///ou=people,${BASE}?mail?one?(maildrop=*@box1.example.com)` }),
  person('byurlall', { mailacceptinggeneralid: 'byurlall', memberurl: `ldap:///${people('bob')}` }),
  person('urlother', { mailacceptinggeneralid: 'urlother', memberurl: `ldap:///${people('bob')}?sn` }),
  person('urlbad', { mailacceptinggeneralid: 'urlbad', memberurl: `ldap:///${people('bob')}?mail?wrong` }),
].join('\n')
