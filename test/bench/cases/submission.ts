/** Submission: STARTTLS, AUTH PLAIN against one Dovecot-like service for all servers, one message a connection. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import type { BenchCase } from '#test/bench/case.ts'
import { loadCase } from '#test/bench/load-case.ts'
import type { ServerSetup } from '#test/bench/servers.ts'
import { startDovecot } from '#test/support/dovecot.ts'

const SERVICE = [
  '127.0.0.1:@PORT:submission@ inet n - n - - smtpd', '-o syslog_name=postfix/submission', '-o smtpd_tls_security_level=encrypt',
  '-o smtpd_sasl_auth_enable=yes', '-o smtpd_relay_restrictions=permit_sasl_authenticated,reject',
].join(' ')

function setup(): ServerSetup {
  return {
    main: {
      smtpd_tls_cert_file: '@HOME@/etc/cert.pem', smtpd_tls_key_file: '@HOME@/etc/key.pem',
      smtpd_tls_session_cache_database: 'btree:@HOME@/data/smtpd_scache',
    },
    master: [SERVICE],
  }
}

/** A key on the curve P-256, as the usual authorities sign them today. */
function makeCertificate(etc: string): void {
  const { status, stderr } = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', '/CN=mail.example.org',
    '-keyout', join(etc, 'key.pem'), '-out', join(etc, 'cert.pem'),
  ], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl: ${stderr}`)
}

function submission(name: string, resume: boolean, title: string, target: string): BenchCase {
  return loadCase({
    name, title, target, amount: 2000, quickAmount: 40, needsTls: true, port: 'submission', setup,
    steady: true, load: { sessions: 20, per: 1, size: 2000, tls: 1, resume: resume ? 1 : 0, auth: 'bob:secret' },
    prepare: ({ etc }) => makeCertificate(etc),
    services: async () => {
      const dovecot = await startDovecot()
      const main = { smtpd_sasl_type: 'dovecot', smtpd_sasl_path: dovecot.path, smtpd_sasl_security_options: 'noanonymous' }
      return { setup: { main }, [Symbol.asyncDispose]: () => dovecot[Symbol.asyncDispose]() }
    },
    more: ({ resumed, connections }) => ({ 'sessions resumed': (100 * resumed) / connections }),
    moreFigures: [{ name: 'sessions resumed', unit: '%', better: 'more', plain: true }],
  })
}

export const SUBMISSION_CASES: readonly BenchCase[] = [
  submission('submission-tls', false, 'submission: STARTTLS with a full handshake (P-256), AUTH PLAIN, one message, 20 sessions', '≥ 1.5 × postfix'),
  submission('submission-tls-resumed', true, 'the same with sessions resumed', '≥ 2.5 × postfix'),
]
