/** Mail that ends here: virtual Maildirs. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchCase } from '#test/bench/case.ts'
import { loadCase } from '#test/bench/load-case.ts'
import { getpwnam } from '#system/users.ts'

const USERS = 1000
const DOMAIN = 'example.net'

function countMail(home: string): number {
  const mail = join(home, 'mail')
  return readdirSync(mail).reduce((sum, user) => sum + readdirSync(join(mail, user, 'new')).length, 0)
}

export const MAILBOX_CASES: readonly BenchCase[] = [
  loadCase({
    name: 'maildir', title: `receive into virtual Maildirs of ${USERS} users, 20 sessions, 1 message a connection`, target: '≥ 3 × postfix',
    amount: 5000, quickAmount: 100, steady: true, load: { sessions: 20, per: 1, size: 2000, users: USERS, to: DOMAIN },
    setup: () => {
      const { uid, gid } = getpwnam('postfix') ?? { uid: 0, gid: 0 }
      const users = Array.from({ length: USERS }, (_, i) => `user${i}@${DOMAIN} user${i}/\n`).join('')
      return {
        main: {
          virtual_mailbox_domains: DOMAIN, virtual_mailbox_base: '@HOME@/mail', virtual_mailbox_maps: 'texthash:@HOME@/etc/users',
          virtual_minimum_uid: '1', virtual_uid_maps: `static:${uid}`, virtual_gid_maps: `static:${gid}`,
        },
        files: { users },
      }
    },
    arrived: ({ home }) => countMail(home),
  }),
]
