/** Our smtpd in the process of the test: on port 0, with a queue of its own, and nobody to deliver. */
import { createServer } from 'node:net'
import { openCleanup } from '#cleanup/cleanup.ts'
import type { Config } from '#config/config.ts'
import { SmtpServer } from '#receive/smtpd/server.ts'
import { SmtpdService } from '#receive/smtpd/service.ts'
import { AnvilClient } from '#service/anvil.ts'
import { ErrorNotices } from '#service/error-notice.ts'
import { fakeResolver, type Zone } from '#test/support/dns.ts'
import { tcpPort } from '#test/support/ports.ts'
import { testSpool, type TestSpool } from '#test/support/cleanup.ts'

/** The parameters that all dialogs start from; the real Postfix gets the same. */
export const DIALOG_VALUES: Readonly<Record<string, string>> = {
  compatibility_level: '3.11',
  myhostname: 'mail.example.org',
  mydomain: 'example.org',
  myorigin: 'example.org',
  mydestination: 'example.org',
  mynetworks: '192.0.2.0/24',
  inet_interfaces: '127.0.0.1',
  inet_protocols: 'ipv4',
  local_recipient_maps: '',
  alias_maps: '',
  alias_database: '',
  relay_domains: '',
  transport_maps: 'static:discard:',
  smtpd_banner: '$myhostname ESMTP',
  header_checks: 'regexp:{{/^X-Refused: *(.*)/ REJECT $$1}}',
  smtpd_error_sleep_time: '0',
  smtpd_client_connection_count_limit: '0',
}

/** Names of the loopback, as /etc/hosts has them. */
export const LOOPBACK_ZONE: Zone = {
  'hosts:127.0.0.1': { ptr: ['localhost'] },
  'hosts:localhost': { a: ['127.0.0.1'] },
}

/** A running service. */
export type TestSmtpd = AsyncDisposable & {
  readonly port: number
  readonly spool: TestSpool
  /** Queue ids that qmgr would have heard of. */
  readonly accepted: readonly string[]
  /** Errors that postmaster was told of, a sum of FAULT for each notice. */
  readonly reported: readonly number[]
  /** Settles when no session is at work. */
  idle(): Promise<void>
}

/** What a test changes. */
export type TestSmtpdOptions = {
  readonly values?: Readonly<Record<string, string>>
  readonly zone?: Zone
  readonly serviceName?: string
  readonly anvilPath?: string
}

/** Starts a service; it ends with the `await using` block. */
export async function startSmtpd(options: TestSmtpdOptions = {}): Promise<TestSmtpd> {
  const spool = testSpool({ ...DIALOG_VALUES, ...options.values })
  const config: Config = spool.config
  const accepted: string[] = []
  const anvil = new AnvilClient(options.anvilPath)
  const cleanup = openCleanup(config)
  const notices = new ErrorNotices(config, cleanup)
  const reported: number[] = []
  const send = notices.send.bind(notices)
  notices.send = (notice) => {
    reported.push(notice.faults)
    send(notice)
  }
  const service = new SmtpdService(config, {
    serviceName: options.serviceName ?? 'smtp', cleanup, notices, anvil, queueDirectory: spool.path,
    resolver: fakeResolver(options.zone ?? LOOPBACK_ZONE), accepted: (id) => accepted.push(id),
  })
  const server = new SmtpServer(service)
  const sessions = new Set<Promise<void>>()
  const listener = createServer({ allowHalfOpen: true }, (socket) => {
    const session = server.serve(socket)
    sessions.add(session)
    void session.then(() => sessions.delete(session))
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const port = tcpPort(listener)
  const idle = async (): Promise<void> => {
    while (sessions.size > 0) await Promise.all(sessions)
    await notices.idle()
  }
  return {
    port, spool, accepted, reported, idle,
    async [Symbol.asyncDispose]() {
      await new Promise((resolve) => listener.close(resolve))
      await idle()
      anvil.close()
      service.access.close()
      spool[Symbol.dispose]()
    },
  }
}
